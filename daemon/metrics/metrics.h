/* Figures for Prometheus and its like, and two questions for whoever watches a service: /metrics,
 * /healthz and /readyz, over HTTP/1.1 on addresses of their own.
 *
 * Names begin with `bellwire_`. Values of labels are IDs of the configuration or words of a fixed
 * list, never what a peer sent. Workers are asked at each scrape, as by the control API: who has
 * not answered within 2 s is left out.
 *
 * Thread  the control thread's loop.
 * Bounds  32 connections, heads of 8 KiB, no bodies; who stays silent is closed after 30 s. */
#ifndef BELLWIRE_METRICS_H
#define BELLWIRE_METRICS_H

#include "control/control.h"

struct metrics_state { /* texts are borrowed for the call */
    struct slice version;
    uint64_t started_ms, generation, last_reload_ms, database_bytes;
    uint64_t reloads_ok, reloads_failed;
    uint64_t programs, max_programs, waiting_programs;
    uint64_t refused_globals, refused_global; /* by max-globals, max-global */
    bool last_reload_ok, is_degraded;
    const bool *is_stalled; /* by worker */
    const uint64_t *stalls; /* likewise, how often */
    const char *unready;    /* why it is not, or NULL */
};
struct metrics_options {
    struct net_loop *loop;
    void (*state)(void *context, struct metrics_state *out);
    const struct control_host *host; /* asked for its program and rows; with the same context */
    void *context;
    const struct control_worker *workers; /* outlive it */
    uint32_t worker_count;
};
struct metrics;
struct metrics *metrics_new(const struct metrics_options *options); /* aborts without memory */
/* Takes over a listening socket, known by `address`. STATUS_NO_MEMORY: it is still the caller's. */
enum status metrics_listen(struct metrics *metrics, struct slice address, int fd);
bool metrics_listens(const struct metrics *metrics, struct slice address);
/* Closes the addresses that are not among `kept`. */
void metrics_keep(struct metrics *metrics, const struct slice *kept, size_t count);
/* Closes all; the memory goes within the loop's next turns. */
void metrics_close(struct metrics *metrics);

#endif
