/* The keys of the main file that are no section of declarations. */
#include "declare/internal.h"

struct log_keys {
    int level, format;
};
struct metrics_keys {
    struct config_texts bind;
};
struct main_keys {
    struct slice workers;
    struct metrics_keys metrics;
    struct log_keys log;
    struct config_texts include;
    struct declare_main values;
};

static bool take_section(void *context, const struct config_node *key,
                         const struct config_node *value);
static bool read_workers(const struct config_node *node, struct slice text,
                         struct config_diag *diag, uint32_t *out);

const struct config_choice declare__log_levels[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO},
                                                    {"warn", LOG_WARN},   {"error", LOG_ERROR},
                                                    {"off", LOG_OFF},     {NULL, 0}};
static const struct config_choice log_formats[] = {
    {"text", LOG_TEXT}, {"json", LOG_JSON}, {NULL, 0}};
static const struct config_field log_fields[] = {
    FIELD_ENUM(struct log_keys, level, "level", .choices = declare__log_levels, .dflt = "info",
               .doc = "least level that is written"),
    FIELD_ENUM(struct log_keys, format, "format", .choices = log_formats, .dflt = "text",
               .doc = "how lines look"),
    FIELD_END};

static const struct config_field metrics_fields[] = {
    FIELD_TEXTS(struct metrics_keys, bind, "bind", .required = true,
                .doc = "addresses of /metrics, /healthz and /readyz"),
    FIELD_END};

const struct config_field declare_main_fields[] = {
    FIELD_TEXT(struct main_keys, workers, "workers", .dflt = "auto",
               .doc = "event loops; auto is one per core"),
    FIELD_STRUCT(struct main_keys, log, "log", log_fields,
                 .doc = "what is written to standard error"),
    FIELD_TEXTS(struct main_keys, include, "include",
                .doc = "further files; tasks/*.yaml when left out"),
    FIELD_STRUCT(struct main_keys, metrics, "metrics", metrics_fields,
                 .doc = "figures for Prometheus; off when left out"),
    FIELD_U32(struct main_keys, values.max_programs, "max-programs", .dflt = "64", .min = 1,
              .max = 100000, .doc = "programs that run at once; more wait in order"),
    FIELD_SIZE(struct main_keys, values.max_run_memory_bytes, "max-run-memory", .dflt = "16MiB",
               .min = 65536, .doc = "memory of one run"),
    FIELD_SIZE(struct main_keys, values.run_memory_bytes, "run-memory", .dflt = "512MiB",
               .min = 1048576, .doc = "memory of all runs of a worker"),
    FIELD_DURATION(struct main_keys, values.expression_time_ms, "expression-time", .dflt = "10ms",
                   .min = 1, .max = 10000, .doc = "time of one expression"),
    FIELD_SIZE(struct main_keys, values.expression_memory_bytes, "expression-memory",
               .dflt = "16MiB", .min = 262144, .doc = "memory of one expression"),
    FIELD_SIZE(struct main_keys, values.max_globals_bytes, "max-globals", .dflt = "64MiB",
               .min = 1024, .doc = "all globals together"),
    FIELD_SIZE(struct main_keys, values.max_global_bytes, "max-global", .dflt = "1MiB", .min = 64,
               .doc = "one global"),
    FIELD_DURATION(struct main_keys, values.shutdown_timeout_ms, "shutdown-timeout", .dflt = "30s",
                   .min = 1, .doc = "how long runs may go on at the end"),
    FIELD_END};

bool declare__main(const struct config_files *files, struct arena *arena, struct config_diag *diag,
                   struct declare_main *out) {
    struct config_mark mark = {.file = files->main_path, .line = 1, .column = 1};
    if (files->main && files->main->kind != CONFIG_MAP && !config_is_null(files->main)) {
        config_error(diag, files->main->mark, "the file must be a mapping of its keys");
        return false;
    }
    const struct config_node *node =
        files->main && files->main->kind == CONFIG_MAP ? files->main : NULL;
    struct main_keys keys;
    const struct config_reader reader = {
        .diag = diag, .arena = arena, .subject = "the main file", .unknown = take_section};
    bool is_good = config_read(&reader, node, mark, declare_main_fields,
                               (struct config_target){&keys, sizeof keys});
    *out = keys.values;
    out->log_level = keys.log.level;
    out->log_format = keys.log.format;
    const struct config_node *metrics = node ? config_get(node, "metrics") : NULL;
    if (metrics && metrics->kind == CONFIG_MAP)
        is_good &= declare__bind(config_get(metrics, "bind"), &keys.metrics.bind, diag);
    out->metrics_bind = (struct server_texts){keys.metrics.bind.items, keys.metrics.bind.count};
    const struct config_node *log = node ? config_get(node, "log") : NULL;
    out->has_log_level = log && log->kind == CONFIG_MAP && config_get(log, "level");
    out->has_log_format = log && log->kind == CONFIG_MAP && config_get(log, "format");
    if (keys.workers.bytes)
        is_good &= read_workers(node ? config_get(node, "workers") : NULL, keys.workers, diag,
                                &out->workers);
    return is_good;
}

static bool take_section(void *context, const struct config_node *key,
                         const struct config_node *value) {
    (void)context, (void)value; /* the sections were taken apart when the files were loaded */
    static const char *const sections[] = {"servers", "clients", "secrets", "tasks"};
    for (size_t i = 0; i < ARRAY_SIZE(sections); i++)
        if (slice_is(key->text, sections[i]))
            return true;
    return false;
}

static bool read_workers(const struct config_node *node, struct slice text,
                         struct config_diag *diag, uint32_t *out) {
    uint64_t number = 0;
    *out = 0;
    if (slice_is(text, "auto") || !node)
        return true;
    if (slice_to_u64(text, &number) != STATUS_OK || number < 1 || number > 255) {
        config_error(diag, node->mark,
                     "\"workers\" must be auto or a number between 1 and 255, got " SLICE_FMT,
                     SLICE_ARG(text));
        return false;
    }
    *out = (uint32_t)number;
    return true;
}
