/* Shared by the files of this folder: what is gathered, and how it is written. */
#ifndef BELLWIRE_METRICS_INTERNAL_H
#define BELLWIRE_METRICS_INTERNAL_H

#include "metrics/metrics.h"

#define METRICS_CONNECTIONS 32
#define METRICS_ADDRESSES   16
struct metrics_address {
    char text[NET_ADDRESS_MAX];
    struct net_listener *listener; /* NULL: free */
};
struct metrics {
    struct metrics_options options;
    struct metrics_address addresses[METRICS_ADDRESSES];
    struct list connections;
    size_t connection_count;
    uint32_t refs; /* the owner's, and one a connection and scrape */
    bool is_closed;
};
struct metrics *metrics__ref(struct metrics *metrics);
void metrics__unref(struct metrics *metrics);

/* ---- connection.c ---------------------------------------------------------------------------- */
void metrics__accept(void *context, int fd, const struct net_address *peer);
void metrics__close_all(struct metrics *metrics);

/* ---- gather.c: what a scrape asks the workers ------------------------------------------------ */
struct metrics_worker {
    struct engine_stats engine;
    struct task_info *tasks; /* by number of the scrape's program */
    struct client_info *clients;
    size_t client_count;
    uint64_t lag_ns; /* from the question to its turn */
    bool is_answered;
};
struct metrics_scrape {
    struct metrics *metrics;
    struct arena arena;
    struct program *program; /* one reference; NULL before the first one serves */
    const struct metrics_worker *workers;
};
/* `done` is called once, when all workers have answered or 2 s are over, with what has come; it is
 * borrowed for the call. `done` gets NULL without memory. It is called before metrics__gather()
 * returns where there is nobody to wait for: no memory, or no worker's mailbox has room. */
typedef void (*metrics_done_fn)(void *context, const struct metrics_scrape *scrape);
void metrics__gather(struct metrics *metrics, metrics_done_fn done, void *context);

/* ---- text.c: both formats -------------------------------------------------------------------- */
enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };
struct metrics_text {
    struct buffer buffer;
    bool is_open;       /* OpenMetrics 1.0, else Prometheus' text format 0.0.4 */
    enum status status; /* the first failure; nothing is written after it */
    const char *family;
    enum metrics_kind kind;
};
struct metrics_label {
    const char *name;
    struct slice value;
};
#define METRICS_LABELS 3
struct metrics_labels { /* used up to the first without a name */
    struct metrics_label items[METRICS_LABELS];
};
void text_init(struct metrics_text *text, bool is_open);
/* `name` without `_total`: a counter's samples get it. All samples of a family follow. */
void text_family(struct metrics_text *text, enum metrics_kind kind, const char *name,
                 const char *help);
void text_sample(struct metrics_text *text, const struct metrics_labels *labels, uint64_t value);
/* In thousandths: milliseconds that are to be read as seconds. */
void text_milli(struct metrics_text *text, const struct metrics_labels *labels, uint64_t value);
void text_histogram(struct metrics_text *text, const struct metrics_labels *labels,
                    const struct histogram *histogram);
void text_end(struct metrics_text *text);

/* ---- page.c, rows.c: the families ------------------------------------------------------------ */
void page_write(struct metrics_text *text, const struct metrics_scrape *scrape);
/* Of servers and clients; the scrape's arena holds the rows. */
void rows_write(struct metrics_text *text, const struct metrics_scrape *scrape);

#endif
