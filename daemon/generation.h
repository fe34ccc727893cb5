/* One configuration as loaded: its files, its declarations, its program. Built aside by a start, a
 * check and a reload alike, so that they cannot disagree.
 *
 * Thread  the control thread; the program inside is shared with the workers. */
#ifndef BELLWIRE_GENERATION_H
#define BELLWIRE_GENERATION_H

#include "declare/declare.h"
#include "engine/engine.h"
#include "registry/registry.h"

struct generation_input {
    const char *config;
    uint32_t workers; /* 0: as the files say */
    uint64_t number;
    struct program *previous; /* or NULL */
    const struct registry_rows
        *servers; /* the manager's rows; those that a file shadows do not count */
    const struct registry_rows *clients;
    /* That serves, or NULL. A row of the manager that cannot be read is an error where this has it;
     * else it is left out with a warning. */
    const struct generation *before;
    bool (*is_enabled)(void *context, struct slice task, bool by_file); /* or NULL */
    void *context;
};
struct generation_kept { /* memory of rows that could not be read anew, with an edit */
    struct generation_kept *next;
    struct arena arena;
};
struct generation {
    struct arena arena; /* the files and all below, but the program */
    struct config_diag diag;
    struct config_files files;
    struct declaration declared; /* of the files */
    struct arena rows_arena;     /* of the four below */
    struct declare_server *manager_servers;
    struct declare_client *manager_clients;
    size_t manager_server_count, manager_client_count;
    struct generation_kept *kept;
    uint32_t workers;
    struct program *program; /* one reference, the caller's to give back; NULL after an error */
    struct supervisor_reload
        *comparison;       /* with the one before, while it is applied; the supervisor's */
    _Atomic uint32_t refs; /* private */
};
/* Always gives a generation, whose diag has all errors and warnings; without a program it is of no
 * other use. */
struct generation *generation_load(const struct generation_input *input);
/* The file that a row of the manager stands in, as messages name it: it lies beside the main file,
 * to which its paths are relative. NULL: no memory. */
const char *generation_row_name(const struct generation *generation, struct arena *arena,
                                const char *what, struct slice id);
/* One row as it would be read; what is wrong goes to `diag`. */
void generation_check_row(struct generation *generation, enum registry_kind kind,
                          const struct config_entry *entry, struct arena *arena,
                          struct config_diag *diag);
/* The manager's rows anew, after an edit; nothing may be reading the old ones. One that cannot be
 * read any more stays as it was. */
void generation_take_rows(struct generation *generation, const struct registry_rows *servers,
                          const struct registry_rows *clients);
/* The program of these files compiled again, with another is_enabled(), `number` and `previous`;
 * one reference. NULL when it cannot be, as when a file that it names is gone. */
struct program *generation_rebuild(struct generation *generation,
                                   const struct generation_input *input);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation); /* the program holds one of its own */
/* Errors and warnings as people read them, and the closing line where there were errors. */
enum status generation_print(const struct generation *generation, bool is_running,
                             struct buffer *out);
/* The first error with its place and its hint, in one line; heap. */
char *generation_first_error(const struct generation *generation);
/* `{ok, errors: [..], warnings: [..]}` without the braces. */
enum status generation_print_json(const struct generation *generation, bool is_ok,
                                  struct buffer *out);

#endif
