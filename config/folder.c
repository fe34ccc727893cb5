/* Where relative paths begin. Lexical: symbolic links stay as the user wrote them. */
#include "config/config.h"

#include <limits.h>
#include <unistd.h>

struct slice config_folder(struct config_mark mark, struct arena *arena) {
    const char *file = mark.file ? mark.file : "";
    const char *slash = strrchr(file, '/');
    struct slice folder = {file, slash ? (size_t)(slash - file) : 0};
    if (file[0] == '/')
        return folder.size ? folder : SLICE("/");
    char here[PATH_MAX];
    if (!getcwd(here, sizeof(here)))
        return SLICE_NONE;
    bool is_root = strcmp(here, "/") == 0;
    const char *joined =
        folder.size ? arena_printf(arena, "%s/" SLICE_FMT, is_root ? "" : here, SLICE_ARG(folder))
                    : arena_text(arena, slice_of(here));
    return joined ? slice_of(joined) : SLICE_NONE;
}
