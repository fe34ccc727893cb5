/* The families that tell of the daemon, its workers and its tasks. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "metrics/internal.h"

#define NS_PER_MS 1000000u

static void write_daemon(struct metrics_text *text, const struct metrics_state *state);
static void write_process(struct metrics_text *text);
static void write_workers(struct metrics_text *text, const struct metrics_scrape *scrape,
                          const struct metrics_state *state);
static void write_refusals(struct metrics_text *text, const struct metrics_scrape *scrape,
                           const struct metrics_state *state);
static void write_tasks(struct metrics_text *text, const struct metrics_scrape *scrape);

static const struct metrics_labels none;

void page_write(struct metrics_text *text, const struct metrics_scrape *scrape) {
    const struct metrics_options *options = &scrape->metrics->options;
    struct metrics_state state = {0};
    options->state(options->context, &state);
    write_daemon(text, &state);
    write_process(text);
    write_workers(text, scrape, &state);
    write_refusals(text, scrape, &state);
    write_tasks(text, scrape);
    rows_write(text, scrape);
    text_end(text);
}

static void gauge(struct metrics_text *text, const char *name, const char *help, uint64_t value) {
    text_family(text, METRICS_GAUGE, name, help);
    text_sample(text, &none, value);
}

static void write_daemon(struct metrics_text *text, const struct metrics_state *state) {
    text_family(text, METRICS_GAUGE, "bellwire_build_info", "The version, as a label.");
    text_sample(text, &(struct metrics_labels){{{"version", state->version}}}, 1);
    text_family(text, METRICS_GAUGE, "bellwire_start_time_seconds", "When the daemon started.");
    text_milli(text, &none, state->started_ms);
    gauge(text, "bellwire_ready", "Whether it serves: 0 while it starts or ends, or degraded.",
          !state->unready);
    gauge(text, "bellwire_config_generation", "Number of the configuration that serves.",
          state->generation);
    text_family(text, METRICS_COUNTER, "bellwire_config_reloads", "Reloads of the configuration.");
    text_sample(text, &(struct metrics_labels){{{"result", SLICE("ok")}}}, state->reloads_ok);
    text_sample(text, &(struct metrics_labels){{{"result", SLICE("failed")}}},
                state->reloads_failed);
    gauge(text, "bellwire_config_last_reload_successful", "Whether the last load was good.",
          state->last_reload_ok);
    text_family(text, METRICS_GAUGE, "bellwire_config_last_reload_timestamp_seconds",
                "When the configuration was loaded last.");
    text_milli(text, &none, state->last_reload_ms);
    gauge(text, "bellwire_database_degraded", "Whether the registry cannot be written.",
          state->is_degraded);
    gauge(text, "bellwire_database_size_bytes", "Size of the registry's file.",
          state->database_bytes);
    gauge(text, "bellwire_programs", "Programs that run.", state->programs);
    gauge(text, "bellwire_programs_max", "Programs that may run at once; more wait.",
          state->max_programs);
    gauge(text, "bellwire_programs_waiting", "Programs that wait for a place.",
          state->waiting_programs);
}

static void write_process(struct metrics_text *text) {
    struct timespec cpu;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
        text_family(text, METRICS_COUNTER, "bellwire_process_cpu_seconds",
                    "Time that all threads have worked.");
        text_milli(text, &none, (uint64_t)cpu.tv_sec * 1000 + (uint64_t)cpu.tv_nsec / NS_PER_MS);
    }
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long size, resident;
    if (file && fscanf(file, "%llu %llu", &size, &resident) == 2)
        gauge(text, "bellwire_process_resident_memory_bytes", "Memory that is in use.",
              resident * (uint64_t)sysconf(_SC_PAGESIZE));
    if (file)
        fclose(file);
}

/* ---- workers ----------------------------------------------------------------------------------
 */

enum figure { TURNS, STALLS, STALLED, LAG, LIVE, WAITING, MEMORY, FIGURES };
static const struct {
    enum metrics_kind kind;
    const char *name, *help;
} figures[FIGURES] = {
    [TURNS] = {METRICS_COUNTER, "bellwire_worker_turns", "Turns of the event loop."},
    [STALLS] = {METRICS_COUNTER, "bellwire_worker_stalls", "Turns that took over a second."},
    [STALLED] = {METRICS_GAUGE, "bellwire_worker_stalled", "Whether it is in such a turn."},
    [LAG] = {METRICS_GAUGE, "bellwire_worker_loop_lag_seconds",
             "How long the question of this scrape waited for its turn."},
    [LIVE] = {METRICS_GAUGE, "bellwire_worker_runs", "Runs that have not ended."},
    [WAITING] = {METRICS_GAUGE, "bellwire_worker_runs_suspended",
                 "Runs of these that wait, in a step or for their turn."},
    [MEMORY] = {METRICS_GAUGE, "bellwire_worker_run_memory_bytes", "Memory of runs."}};

static void write_figure(struct metrics_text *text, const struct metrics_labels *labels,
                         enum figure figure, uint64_t value) {
    if (figure == LAG)
        text_milli(text, labels, value);
    else
        text_sample(text, labels, value);
}

static void write_workers(struct metrics_text *text, const struct metrics_scrape *scrape,
                          const struct metrics_state *state) {
    const struct metrics_options *options = &scrape->metrics->options;
    for (size_t f = 0; f < FIGURES; f++) {
        text_family(text, figures[f].kind, figures[f].name, figures[f].help);
        for (uint32_t i = 0; i < options->worker_count; i++) {
            const struct metrics_worker *worker = &scrape->workers[i];
            const uint64_t values[FIGURES] = {[TURNS] =
                                                  net_loop_pulse(options->workers[i].loop) / 2,
                                              [STALLS] = state->stalls[i],
                                              [STALLED] = state->is_stalled[i],
                                              [LAG] = worker->lag_ns / NS_PER_MS,
                                              [LIVE] = worker->engine.live,
                                              [WAITING] = worker->engine.waiting,
                                              [MEMORY] = worker->engine.memory_bytes};
            char number[16];
            (void)snprintf(number, sizeof number, "%u", i);
            if (f < LAG || worker->is_answered)
                write_figure(text, &(struct metrics_labels){{{"worker", slice_of(number)}}},
                             (enum figure)f, values[f]);
        }
    }
}

/* Bounds of the main file; those of servers and clients are told with their IDs, those of tasks as
 * what became of their triggers. */
static void write_refusals(struct metrics_text *text, const struct metrics_scrape *scrape,
                           const struct metrics_state *state) {
    uint64_t run_memory = 0;
    for (uint32_t i = 0; i < scrape->metrics->options.worker_count; i++)
        run_memory += scrape->workers[i].engine.refused[RUN_MEMORY];
    const struct {
        const char *bound;
        uint64_t count;
    } rows[] = {{"run-memory", run_memory},
                {"max-globals", state->refused_globals},
                {"max-global", state->refused_global}};
    text_family(text, METRICS_COUNTER, "bellwire_refusals",
                "What passed a bound of the main file.");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        text_sample(text, &(struct metrics_labels){{{"bound", slice_of(rows[i].bound)}}},
                    rows[i].count);
}

/* ---- tasks ------------------------------------------------------------------------------------
 */

static const char *const outcomes[] = {
    [RUN_DONE] = "done", [RUN_FAILED] = "failed", [RUN_CANCELLED] = "cancelled"};

static struct task_info sum_of(const struct metrics_scrape *scrape, size_t task) {
    struct task_info sum = {0};
    for (uint32_t i = 0; i < scrape->metrics->options.worker_count; i++) {
        if (!scrape->workers[i].is_answered)
            continue;
        const struct task_info *info = &scrape->workers[i].tasks[task];
        sum.runs += info->runs;
        sum.active += info->active;
        sum.waiting += info->waiting;
        for (size_t gate = 0; gate < RUN_GATES; gate++)
            sum.refused[gate] += info->refused[gate];
        for (size_t k = 0; k < ARRAY_SIZE(outcomes); k++)
            histogram_merge(&sum.durations[k], &info->durations[k]);
    }
    return sum;
}

static uint64_t count_of(const struct histogram *histogram) {
    uint64_t sum = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    return sum;
}

static void write_triggers(struct metrics_text *text, struct slice task,
                           const struct task_info *info) {
    for (size_t gate = RUN_ADMITTED; gate < RUN_GATES; gate++)
        text_sample(text,
                    &(struct metrics_labels){
                        {{"task", task}, {"result", slice_of(run_gate_text((enum run_gate)gate))}}},
                    gate == RUN_ADMITTED ? info->runs : info->refused[gate]);
}

/* Kinds of ends that never came have no histogram, since each is a dozen lines. */
static void write_ends(struct metrics_text *text, struct slice task, const struct task_info *info) {
    for (size_t k = 0; k < ARRAY_SIZE(outcomes); k++) {
        const struct metrics_labels labels = {{{"task", task}, {"status", slice_of(outcomes[k])}}};
        if (text->kind == METRICS_COUNTER)
            text_sample(text, &labels, count_of(&info->durations[k]));
        else if (count_of(&info->durations[k]))
            text_histogram(text, &labels, &info->durations[k]);
    }
}

static void write_active(struct metrics_text *text, struct slice task,
                         const struct task_info *info) {
    text_sample(text, &(struct metrics_labels){{{"task", task}}}, info->active);
}

static void write_waiting(struct metrics_text *text, struct slice task,
                          const struct task_info *info) {
    text_sample(text, &(struct metrics_labels){{{"task", task}}}, info->waiting);
}

static void write_tasks(struct metrics_text *text, const struct metrics_scrape *scrape) {
    static const struct {
        enum metrics_kind kind;
        const char *name, *help;
        void (*write)(struct metrics_text *text, struct slice task, const struct task_info *info);
    } families[] = {
        {METRICS_COUNTER, "bellwire_triggers",
         "Events for a task, by what became of them: admitted, or the gate.", write_triggers},
        {METRICS_GAUGE, "bellwire_runs_active", "Runs that have not ended.", write_active},
        {METRICS_GAUGE, "bellwire_runs_waiting", "Runs of these that wait for their turn.",
         write_waiting},
        {METRICS_COUNTER, "bellwire_runs", "Runs that have ended.", write_ends},
        {METRICS_HISTOGRAM, "bellwire_run_duration_seconds", "How long runs took, waiting counted.",
         write_ends}};
    size_t count = scrape->program ? program_task_count(scrape->program) : 0;
    for (size_t f = 0; f < ARRAY_SIZE(families); f++) {
        text_family(text, families[f].kind, families[f].name, families[f].help);
        for (size_t i = 0; i < count; i++) {
            struct task_info sum = sum_of(scrape, i);
            families[f].write(text, program_task(scrape->program, i)->id, &sum);
        }
    }
}
