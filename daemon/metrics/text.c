/* Prometheus' text format 0.0.4 and OpenMetrics 1.0, which differ in the names of counters'
 * families and in their last line. */
#include <inttypes.h>
#include <stdio.h>

#include "metrics/internal.h"

static const char *const kinds[] = {"counter", "gauge", "histogram"};

void text_init(struct metrics_text *text, bool is_open) {
    *text = (struct metrics_text){.is_open = is_open};
    buffer_init(&text->buffer, 0);
}

static void put(struct metrics_text *text, const char *format, ...) PRINTF_LIKE(2, 3);
static void put(struct metrics_text *text, const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (!text->status)
        text->status = buffer_vprintf(&text->buffer, format, args);
    va_end(args);
}

void text_family(struct metrics_text *text, enum metrics_kind kind, const char *name,
                 const char *help) {
    const char *suffix = kind == METRICS_COUNTER && !text->is_open ? "_total" : "";
    text->family = name;
    text->kind = kind;
    put(text, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, kinds[kind]);
}

static void put_escaped(struct metrics_text *text, struct slice value) {
    for (size_t i = 0; i < value.size; i++) {
        char c = value.bytes[i];
        if (c == '\n')
            put(text, "\\n");
        else
            put(text, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
    }
}

/* `bound` is the `le` of a bucket, or NULL. */
static void put_labels(struct metrics_text *text, const struct metrics_labels *labels,
                       const char *bound) {
    const char *separator = "{";
    for (size_t i = 0; i < METRICS_LABELS && labels->items[i].name; i++) {
        put(text, "%s%s=\"", separator, labels->items[i].name);
        put_escaped(text, labels->items[i].value);
        put(text, "\"");
        separator = ",";
    }
    if (bound) {
        put(text, "%sle=\"%s\"", separator, bound);
        separator = ",";
    }
    put(text, "%s ", separator[0] == ',' ? "}" : "");
}

static void put_head(struct metrics_text *text, const char *suffix,
                     const struct metrics_labels *labels) {
    put(text, "%s%s", text->family, suffix);
    put_labels(text, labels, NULL);
}

void text_sample(struct metrics_text *text, const struct metrics_labels *labels, uint64_t value) {
    put_head(text, text->kind == METRICS_COUNTER ? "_total" : "", labels);
    put(text, "%" PRIu64 "\n", value);
}

void text_milli(struct metrics_text *text, const struct metrics_labels *labels, uint64_t value) {
    put_head(text, text->kind == METRICS_COUNTER ? "_total" : "", labels);
    put(text, "%" PRIu64 ".%03" PRIu64 "\n", value / 1000, value % 1000);
}

void text_histogram(struct metrics_text *text, const struct metrics_labels *labels,
                    const struct histogram *histogram) {
    uint64_t sum = 0, sum_ms = atomic_load_explicit(&histogram->sum_ms, memory_order_relaxed);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        char bound[16] = "+Inf";
        if (i < HISTOGRAM_BUCKETS - 1)
            (void)snprintf(bound, sizeof bound, "%g", histogram_bounds_ms[i] / 1000.0);
        if (i < HISTOGRAM_BUCKETS - 1 && !strchr(bound, '.'))
            (void)strcat(bound, ".0"); /* OpenMetrics wants floats; the bounds are short */
        sum += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
        put(text, "%s_bucket", text->family);
        put_labels(text, labels, bound);
        put(text, "%" PRIu64 "\n", sum);
    }
    put_head(text, "_sum", labels);
    put(text, "%" PRIu64 ".%03" PRIu64 "\n", sum_ms / 1000, sum_ms % 1000);
    put_head(text, "_count", labels);
    put(text, "%" PRIu64 "\n", sum);
}

void text_end(struct metrics_text *text) {
    if (text->is_open)
        put(text, "# EOF\n");
}
