/* YAML text to trees with marks, field tables that check and store them, diagnostics, and the files
 * of a configuration. Knows no server, task, action or expression: those hand their tables in.
 *
 * Thread  a set of files is read by one thread and is immutable afterwards.
 * Memory  nodes, texts and stored members live in the arena that was given to the loader. */
#ifndef BELLWIRE_CONFIG_H
#define BELLWIRE_CONFIG_H

#include "base/base.h"

struct config_mark {
    const char *file;      /* as the user named it; lives as long as the nodes */
    uint32_t line, column; /* from 1; columns count characters; line 0: no place */
};

/* ---- trees ------------------------------------------------------------------------------------
 */
enum config_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };
struct config_node {
    enum config_kind kind;
    bool is_plain; /* a scalar without quotes: only these may be null, a boolean or a number */
    struct config_mark mark;
    struct slice text;                /* scalar */
    const struct config_node **items; /* list: `count` of them; map: values, in the order written */
    const struct config_node **keys;  /* map: scalars */
    size_t count;
};
/* The value under `key`, or NULL. */
const struct config_node *config_get(const struct config_node *map, const char *key);
bool config_is_null(const struct config_node *node); /* plain and empty, `~`, `null` */
/* Where byte `offset` of a scalar's text stands in the file; exact for one-line scalars, else the
 * line. */
struct config_mark config_place(const struct config_node *scalar, size_t offset);

/* ---- diagnostics: all errors at once, at most 50 kept, sorted when shown ----------------------
 */
enum config_severity { CONFIG_ERROR, CONFIG_WARNING };
struct config_message {
    enum config_severity severity;
    struct config_mark mark;
    const char *text; /* house-style.md section 6 */
    const char *hint; /* or NULL */
    const char *note; /* or NULL */
    struct config_mark note_mark;
};
struct config_diag {
    struct arena *arena;
    struct config_message *messages;
    size_t count, capacity;
    size_t errors, warnings; /* all, also those not kept */
};
void config_diag_init(struct config_diag *diag, struct arena *arena);
void config_error(struct config_diag *diag, struct config_mark mark, const char *format, ...)
    PRINTF_LIKE(3, 4);
void config_warning(struct config_diag *diag, struct config_mark mark, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Belong to the message reported last; ignored when that one was past the 50. */
void config_hint(struct config_diag *diag, const char *format, ...) PRINTF_LIKE(2, 3);
void config_note(struct config_diag *diag, struct config_mark mark, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "did you mean" for a name that none of `names` is; no hint when none is near. */
void config_hint_nearest(struct config_diag *diag, struct slice name, const char *const *names,
                         size_t count);
void config_diag_sort(struct config_diag *diag); /* by file in order of loading, line, column */
/* Appends the messages as shown to people, without the closing summary. */
enum status config_diag_print(const struct config_diag *diag, struct buffer *out);

/* ---- fields: one table for checks, messages, defaults, schema and reference --------------------
 */
enum config_type {
    CONFIG_TEXT,     /* struct slice, the characters as written */
    CONFIG_BOOL,     /* bool: true false yes no on off 1 0 */
    CONFIG_TRISTATE, /* int8_t: -1 when unset and without default, else 0 or 1; spelt as CONFIG_BOOL
                      */
    CONFIG_U32,      /* uint32_t within min..max */
    CONFIG_DURATION, /* uint64_t, ms; also `off` (0) where .allow_off */
    CONFIG_SIZE,     /* uint64_t, bytes */
    CONFIG_ENUM,     /* int, a value of `choices` */
    CONFIG_TEXTS,    /* struct config_texts; a single scalar is a list of one */
    CONFIG_PAIRS,    /* struct config_pairs, a map of text to text */
    CONFIG_FILE, /* struct slice, a path; a relative one is made absolute by the folder of its file
                  */
    CONFIG_STRUCT,  /* a nested mapping into an embedded struct by `fields` */
    CONFIG_SPECIAL, /* whatever the caller's `special` hook makes of the node (values, expressions,
                       chains) */
};
struct config_choice {
    const char *name;
    int value;
}; /* ends with a NULL name */
struct config_texts {
    struct slice *items;
    size_t count;
};
struct config_pairs {
    struct slice *names;
    struct slice *values;
    size_t count;
};
struct config_field {
    const char *name; /* as in the YAML; NULL ends a table */
    enum config_type type;
    size_t offset;
    const char *doc;  /* one phrase, lower case, for schema and reference */
    const char *dflt; /* text as it would be written, or NULL: zero, or -1 for a tristate */
    bool required;
    bool is_constant; /* `${...}` in it is an error */
    bool is_secret;   /* never shown */
    bool allow_off;
    uint64_t min, max; /* max 0: the type's own */
    const struct config_choice *choices;
    const struct config_field *fields; /* CONFIG_STRUCT */
    const char *special; /* CONFIG_SPECIAL: "value" "expression" "chain" "tree" ...: for schema and
                            reference, and for the hook */
};
#define CONFIG__OFFSET(strct, member, ctype)                                                       \
    (offsetof(strct, member) + 0 * sizeof((const ctype *){0} == &((strct *)0)->member))
#define FIELD_TEXT(s, m, key, ...)                                                                 \
    { .name = key, .type = CONFIG_TEXT, .offset = CONFIG__OFFSET(s, m, struct slice), __VA_ARGS__ }
#define FIELD_BOOL(s, m, key, ...)                                                                 \
    { .name = key, .type = CONFIG_BOOL, .offset = CONFIG__OFFSET(s, m, bool), __VA_ARGS__ }
#define FIELD_TRISTATE(s, m, key, ...)                                                             \
    { .name = key, .type = CONFIG_TRISTATE, .offset = CONFIG__OFFSET(s, m, int8_t), __VA_ARGS__ }
#define FIELD_U32(s, m, key, ...)                                                                  \
    { .name = key, .type = CONFIG_U32, .offset = CONFIG__OFFSET(s, m, uint32_t), __VA_ARGS__ }
#define FIELD_DURATION(s, m, key, ...)                                                             \
    { .name = key, .type = CONFIG_DURATION, .offset = CONFIG__OFFSET(s, m, uint64_t), __VA_ARGS__ }
#define FIELD_SIZE(s, m, key, ...)                                                                 \
    { .name = key, .type = CONFIG_SIZE, .offset = CONFIG__OFFSET(s, m, uint64_t), __VA_ARGS__ }
#define FIELD_ENUM(s, m, key, ...)                                                                 \
    { .name = key, .type = CONFIG_ENUM, .offset = CONFIG__OFFSET(s, m, int), __VA_ARGS__ }
#define FIELD_TEXTS(s, m, key, ...)                                                                \
    {                                                                                              \
        .name = key, .type = CONFIG_TEXTS, .offset = CONFIG__OFFSET(s, m, struct config_texts),    \
        __VA_ARGS__                                                                                \
    }
#define FIELD_PAIRS(s, m, key, ...)                                                                \
    {                                                                                              \
        .name = key, .type = CONFIG_PAIRS, .offset = CONFIG__OFFSET(s, m, struct config_pairs),    \
        __VA_ARGS__                                                                                \
    }
#define FIELD_FILE(s, m, key, ...)                                                                 \
    { .name = key, .type = CONFIG_FILE, .offset = CONFIG__OFFSET(s, m, struct slice), __VA_ARGS__ }
#define FIELD_STRUCT(s, m, key, table, ...)                                                        \
    { .name = key, .type = CONFIG_STRUCT, .offset = offsetof(s, m), .fields = (table), __VA_ARGS__ }
#define FIELD_SPECIAL(s, m, key, what, ...)                                                        \
    {                                                                                              \
        .name = key, .type = CONFIG_SPECIAL, .offset = offsetof(s, m), .special = (what),          \
        __VA_ARGS__                                                                                \
    }
#define FIELD_END                                                                                  \
    { .name = NULL }

#define CONFIG_NO_INDEX SIZE_MAX
/* How a mapping is read. Hooks may be NULL; they return false after reporting an error themselves.
 */
struct config_reader {
    struct config_diag *diag;
    struct arena *arena;
    const char *subject; /* what the mapping is, for messages: `action "log"`, `server "main"` */
    void *context;
    /* A scalar that contains `${` (of any type but SPECIAL, not is_constant). `offset` is from the
     * start of the outermost struct, nested ones included; `index` the item of TEXTS (or the pair
     * of PAIRS), else CONFIG_NO_INDEX. Without this hook `${` is ordinary text. */
    bool (*dynamic)(void *context, const struct config_field *field, const struct config_node *node,
                    size_t offset, size_t index);
    /* A SPECIAL field's node; `member` is where its struct keeps it. Without the hook the node's
     * pointer is stored. */
    bool (*special)(void *context, const struct config_field *field, const struct config_node *node,
                    void *member, size_t offset);
    /* A key that the table lacks. True: it was taken. Without the hook, or on false: an error with
     * the nearest name. */
    bool (*unknown)(void *context, const struct config_node *key, const struct config_node *value);
};
/* Checks `node` against the table and stores into `out` (zeroed here up to `out_bytes`, defaults
 * applied). A scalar or list where a mapping is expected is taken as the value of the table's first
 * field (the main key); `node` NULL means no value was given (`- stop`). False when anything was
 * wrong; the rest was checked all the same. */
bool config_read(const struct config_reader *reader, const struct config_node *node,
                 const struct config_mark mark, const struct config_field *fields, void *out,
                 size_t out_bytes);
/* One value at run time, from text: `out` is the struct. On failure `why` (CONFIG_WHY_MAX) holds
 * the message, as in
 * `"copies" must be between 1 and 10, got 40`. STATUS_SYNTAX, STATUS_RANGE, STATUS_NO_MEMORY.
 * Scalar types only. */
#define CONFIG_WHY_MAX 256
enum status config_store(const struct config_field *field, struct slice text, void *out,
                         size_t offset, char *why);
/* Text of a stored scalar as the YAML would spell it, into the arena (for `show`, `limits`,
 * reference). */
enum status config_spell(const struct config_field *field, const void *out, struct arena *arena,
                         struct slice *text);

/* ---- the files ----------------------------------------------------------------------------------
 */
struct config_entry { /* one declaration of `servers`, `clients`, `secrets` or `tasks` */
    struct slice id;
    struct config_mark mark;
    const struct config_node *value;
};
struct config_section {
    struct config_entry *entries;
    size_t count;
};
struct config_files {
    const char *main_path;          /* as given, a folder resolved to its bellwire.yaml */
    const struct config_node *main; /* the mapping of the main file, or NULL when unreadable */
    struct config_section servers, clients, secrets, tasks; /* of all files, in order */
    const char **paths;                                     /* every file that was read */
    size_t path_count;
};
/* Reads the main file (a path, or a folder that holds bellwire.yaml) and its `include`s (default
 * each file of tasks/ that ends in .yaml, sorted; a pattern without a match is fine unless it has no wildcard).
 * Reports into `diag`; what could be read is returned all the same. Keys of further files other
 * than the four sections are errors here; those of the main file are left in `main` for
 * config_read(). IDs are checked against [A-Za-z0-9][A-Za-z0-9._-]{0,63}, twins reported with a
 * note. */
enum status config_load(const char *path, struct arena *arena, struct config_diag *diag,
                        struct config_files *out);
/* One document from memory, as a file called `name`: for tests, the manager's edits and fuzzing.
 * NULL after an error. */
const struct config_node *config_parse(struct slice yaml, const char *name, struct arena *arena,
                                       struct config_diag *diag);
bool config_is_id(struct slice text);

/* ---- what the tables say ------------------------------------------------------------------------
 */
/* JSON Schema (2020-12) of one mapping, as an object `{...}`; `special` writes the schema of a
 * SPECIAL field. */
typedef enum status (*config_schema_fn)(const struct config_field *field, struct buffer *out);
enum status config_schema(const struct config_field *fields, config_schema_fn special,
                          struct buffer *out);
/* Markdown rows `| key | type | default | meaning |`, nested keys dotted. */
enum status config_reference(const struct config_field *fields, struct buffer *out);

#endif
