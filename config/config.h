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
struct config_diag;

/* ---- trees -------------------------------------------------------------------------------- */
enum config_kind { CONFIG_SCALAR, CONFIG_LIST, CONFIG_MAP };
struct config_node {
    enum config_kind kind;
    bool is_plain; /* a scalar without quotes: only these may be null, a boolean or a number */
    bool is_cut;   /* an empty scalar with a comment behind it: `text: #general`; mark is the `#` */
    bool is_flow;  /* a list or map written as `[...]` or `{...}` */
    struct config_mark mark;
    struct slice text;                /* scalar; a NUL follows it */
    struct slice source;              /* scalar: as it stands in the file, quotes and all */
    const struct config_node **items; /* list: `count` of them; map: values, in the order written */
    const struct config_node **keys;  /* map: scalars */
    size_t count;
};
/* The value under `key`, or NULL. */
const struct config_node *config_get(const struct config_node *map, const char *key);
bool config_is_null(const struct config_node *node); /* plain and empty, `~`, `null` */
/* Where byte `offset` of a scalar's text stands in the file, through quotes, escapes, blocks. */
struct config_mark config_place(const struct config_node *scalar, size_t offset);
/* What a scalar is by YAML 1.2 core; quoted ones are text, integers past 63 bits are floats. */
enum config_scalar_type { CONFIG_NIL, CONFIG_BOOLEAN, CONFIG_INTEGER, CONFIG_FLOAT, CONFIG_STRING };
struct config_scalar {
    enum config_scalar_type type;
    bool boolean;
    int64_t integer;
    double number;
};
struct config_scalar config_scalar(const struct config_node *scalar);
/* The steps under `node` (a list, maybe `[]`) with lists among them spliced in, at any depth. Other
 * values are errors that name `what`; steps are not looked at. STATUS_FAILED after a report,
 * STATUS_NO_MEMORY. */
struct config_steps {
    const struct config_node **items;
    size_t count;
};
enum status config_steps(const struct config_node *node, const char *what, struct arena *arena,
                         struct config_diag *diag, struct config_steps *out);
/* Absolute folder of the file that `mark` names, without a final slash (`/` alone has it); what
 * relative paths are relative to. Bytes NULL without memory. */
struct slice config_folder(struct config_mark mark, struct arena *arena);

/* ---- diagnostics: all errors at once, at most 50 kept, sorted when shown ------------------ */
enum config_severity { CONFIG_ERROR, CONFIG_WARNING };
struct config_message {
    enum config_severity severity;
    struct config_mark mark;
    const char *text; /* house-style.md section 6 */
    const char *hint; /* or NULL */
    const char *note; /* or NULL */
    struct config_mark note_mark;
};
#define CONFIG_MESSAGES_MAX 50
struct config_diag {
    struct arena *arena;
    struct config_message *messages;
    size_t count, capacity;
    size_t errors, warnings; /* all, also those not kept */
    bool is_last_kept;       /* whether hints and notes have a message to go to */
    const char **files;      /* in order of loading */
    size_t file_count, file_capacity;
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
/* `subject` has an empty value where one is needed; tells of the comment that cut it off. */
void config_error_empty(struct config_diag *diag, const struct config_node *node,
                        const char *subject);
/* Appends the messages as shown to people, without the closing summary. */
enum status config_diag_print(const struct config_diag *diag, struct buffer *out);

/* ---- fields: one table for checks, messages, defaults, schema and reference --------------- */
enum config_type {
    CONFIG_TEXT,     /* struct slice, the characters as written */
    CONFIG_BOOL,     /* bool: true false yes no on off 1 0 */
    CONFIG_TRISTATE, /* int8_t: -1 when unset and without default, else 0 or 1 */
    CONFIG_U32,      /* uint32_t within min..max */
    CONFIG_DURATION, /* uint64_t, ms; also `off` (0) where .allow_off */
    CONFIG_SIZE,     /* uint64_t, bytes */
    CONFIG_ENUM,     /* int, a value of `choices` */
    CONFIG_TEXTS,    /* struct config_texts; a single scalar is a list of one */
    CONFIG_PAIRS,    /* struct config_pairs, a map of text to text */
    CONFIG_FILE,     /* struct slice, a path, made absolute by the folder of its file */
    CONFIG_STRUCT,   /* a nested mapping into an embedded struct by `fields` */
    CONFIG_SPECIAL,  /* what the `special` hook makes of it: values, expressions, chains */
};
struct config_choice { /* a list of them ends with a NULL name */
    const char *name;
    int value;
};
struct config_texts {
    struct slice *items;
    size_t count;
};
struct config_pairs {
    struct slice *names, *values;
    size_t count;
};
struct config_field {
    const char *name; /* as in the YAML; NULL ends a table */
    enum config_type type;
    size_t offset;
    const char *doc; /* one phrase, lower case, for schema and reference */
    /* Text as it would be written, or NULL: zero, or -1 for a tristate. TEXTS: one text or
     * `[a, b]`. PAIRS, STRUCT and SPECIAL: shown in schema and reference, not stored. */
    const char *dflt;
    bool required;
    bool is_constant; /* `${...}` in it is an error */
    bool is_secret;   /* never shown */
    bool allow_off;
    uint64_t min, max; /* max 0: the type's own; of TEXT, FILE: bytes; of TEXTS: items */
    const struct config_choice *choices;
    const struct config_field *fields; /* STRUCT; SPECIAL: of its mapping form */
    const char *special; /* SPECIAL: "value" "expression" "chain" "tree": for hook and schema */
};
#define CONFIG__OFFSET(strct, member, ctype)                                                       \
    (offsetof(strct, member) + 0 * sizeof((const ctype *){0} == &((strct *)0)->member))
#define CONFIG__FIELD(s, m, key, kind, ctype, ...)                                                 \
    { .name = key, .type = kind, .offset = CONFIG__OFFSET(s, m, ctype), __VA_ARGS__ }
#define FIELD_TEXT(s, m, key, ...) CONFIG__FIELD(s, m, key, CONFIG_TEXT, struct slice, __VA_ARGS__)
#define FIELD_BOOL(s, m, key, ...) CONFIG__FIELD(s, m, key, CONFIG_BOOL, bool, __VA_ARGS__)
#define FIELD_TRISTATE(s, m, key, ...)                                                             \
    CONFIG__FIELD(s, m, key, CONFIG_TRISTATE, int8_t, __VA_ARGS__)
#define FIELD_U32(s, m, key, ...) CONFIG__FIELD(s, m, key, CONFIG_U32, uint32_t, __VA_ARGS__)
#define FIELD_DURATION(s, m, key, ...)                                                             \
    CONFIG__FIELD(s, m, key, CONFIG_DURATION, uint64_t, __VA_ARGS__)
#define FIELD_SIZE(s, m, key, ...) CONFIG__FIELD(s, m, key, CONFIG_SIZE, uint64_t, __VA_ARGS__)
#define FIELD_ENUM(s, m, key, ...) CONFIG__FIELD(s, m, key, CONFIG_ENUM, int, __VA_ARGS__)
#define FIELD_TEXTS(s, m, key, ...)                                                                \
    CONFIG__FIELD(s, m, key, CONFIG_TEXTS, struct config_texts, __VA_ARGS__)
#define FIELD_PAIRS(s, m, key, ...)                                                                \
    CONFIG__FIELD(s, m, key, CONFIG_PAIRS, struct config_pairs, __VA_ARGS__)
#define FIELD_FILE(s, m, key, ...) CONFIG__FIELD(s, m, key, CONFIG_FILE, struct slice, __VA_ARGS__)
#define FIELD_STRUCT(s, m, key, table, ...)                                                        \
    { .name = key, .type = CONFIG_STRUCT, .offset = offsetof(s, m), .fields = (table), __VA_ARGS__ }
#define FIELD_SPECIAL(s, m, key, what, ...)                                                        \
    { .name = key, .type = CONFIG_SPECIAL, .offset = offsetof(s, m), .special = what, __VA_ARGS__ }
#define FIELD_END                                                                                  \
    { .name = NULL }

#define CONFIG_NO_INDEX SIZE_MAX
/* How a mapping is read. Hooks may be NULL; they return false after reporting an error. */
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
    /* A key that the table lacks. True: taken, or reported. Else: an error, the nearest name. */
    bool (*unknown)(void *context, const struct config_node *key, const struct config_node *value);
};
struct config_target {
    void *out;
    size_t bytes;
};
/* Checks `node` and stores into a struct (zeroed here, defaults applied). A scalar or list where a
 * mapping is expected is the value of the first field (the main key); NULL (`- stop`) and an empty
 * value are fine where nothing is required; SPECIAL hooks see empty values too. A missing key is
 * told at `mark`. False when anything was wrong, memory included; the rest was checked too. */
bool config_read(const struct config_reader *reader, const struct config_node *node,
                 struct config_mark mark, const struct config_field *fields,
                 struct config_target out);
/* One value at run time, from text: `out` is the struct. On failure `why` (CONFIG_WHY_MAX) holds
 * the message. STATUS_SYNTAX, STATUS_RANGE; STATUS_TYPE for types that are not one scalar. Texts
 * are borrowed from `text`; a FILE is stored as it is. */
#define CONFIG_WHY_MAX 256
enum status config_store(const struct config_field *field, struct slice text, void *out,
                         size_t offset, char *why);
/* Text of a stored scalar, or of TEXTS joined by commas, as the YAML spells it without quotes;
 * a secret is `***`, an unset tristate empty. STATUS_TYPE, STATUS_NO_MEMORY. */
enum status config_spell(const struct config_field *field, const void *out, struct arena *arena,
                         struct slice *text);
/* ---- the files ---------------------------------------------------------------------------- */
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
 * each file of tasks/ that ends in .yaml, sorted; a pattern without a match is fine unless it has
 * no wildcard). Reports into `diag`; what could be read is returned all the same. Keys of further
 * files other than the four sections are errors here; those of the main file are left in `main` for
 * config_read(). IDs are checked against [A-Za-z0-9][A-Za-z0-9._-]{0,63}, twins reported with a
 * note. STATUS_OK also after errors (diag->errors tells), STATUS_NO_MEMORY. */
enum status config_load(const char *path, struct arena *arena, struct config_diag *diag,
                        struct config_files *out);
/* One document from memory, as a file called `name`: for tests, the manager's edits and fuzzing.
 * NULL after an error; an empty document is a null scalar. At most CONFIG_FILE_BYTES long,
 * CONFIG_DEPTH deep (aliases counted), and CONFIG_ALIAS_NODES larger by aliases. */
#define CONFIG_FILE_BYTES  (4u << 20)
#define CONFIG_DEPTH       256
#define CONFIG_ALIAS_NODES 100000
const struct config_node *config_parse(struct slice yaml, const char *name, struct arena *arena,
                                       struct config_diag *diag);
bool config_is_id(struct slice text);

/* ---- what the tables say ------------------------------------------------------------------ */
/* JSON Schema (2020-12) of one mapping, as an object `{...}`; `special` writes the schema of a
 * SPECIAL field. */
typedef enum status (*config_schema_fn)(const struct config_field *field, struct buffer *out);
enum status config_schema(const struct config_field *fields, config_schema_fn special,
                          struct buffer *out);
/* Markdown rows `| key | type | default | meaning |`, nested keys dotted, also of SPECIALs. */
enum status config_reference(const struct config_field *fields, struct buffer *out);

#endif
