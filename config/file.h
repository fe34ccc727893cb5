/* Files on disk, whole. */
#ifndef BELLWIRE_CONFIG_FILE_H
#define BELLWIRE_CONFIG_FILE_H

#include "config/config.h"

/* Which file it is, whatever path led there. */
struct file_identity {
    uint64_t device, inode;
};
/* The bytes of a regular file of at most CONFIG_FILE_BYTES, into the arena. STATUS_LIMIT (`*out`
 * has its size and no bytes), STATUS_NO_MEMORY, STATUS_NOT_FOUND, STATUS_IO (`*error` is the
 * errno). */
enum status file_read(const char *path, struct arena *arena, struct slice *out,
                      struct file_identity *identity, int *error);
bool file_is_folder(const char *path);

#endif
