/* What is measured: operations and latencies after a warm-up, and the CPU time that the server and
 * this program took meanwhile, from the scheduler (ns, all threads). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "load.h"

#define WARM_UP_NS 200000000ull
#define FINE_BITS  8 /* 256 steps for each power of two: 0.4 % */
#define SLOTS      (64 << FINE_BITS)

struct meter {
    const struct options *options;
    uint64_t begin_ns, end_ns, stop_ns;
    uint64_t operations, latencies, max_ns;
    uint64_t server_ns, own_ns;
    bool is_warm;
    uint64_t slots[SLOTS];
};

uint64_t meter_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct meter *meter_new(const struct options *options) {
    struct meter *meter = calloc(1, sizeof(*meter));
    if (!meter) {
        fail("no memory");
    }
    meter->options = options;
    meter->begin_ns = meter_now() + WARM_UP_NS;
    return meter;
}

void meter_free(struct meter *meter) { free(meter); }

/* The first number of each thread's schedstat is its time on a CPU. */
static uint64_t cpu_of(int pid) {
    char path[64];
    uint64_t total = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks)) != NULL;) {
        char name[400];
        unsigned long long spent = 0;
        snprintf(name, sizeof(name), "%s/%s/schedstat", path, entry->d_name);
        FILE *file = entry->d_name[0] != '.' ? fopen(name, "r") : NULL;
        if (file) {
            total += fscanf(file, "%llu", &spent) == 1 ? spent : 0;
            fclose(file);
        }
    }
    if (tasks) {
        closedir(tasks);
    }
    return total;
}

static uint64_t cpu_of_server(const struct options *options) {
    uint64_t total = 0;
    for (int i = 0; i < options->pid_count; i++) {
        total += cpu_of(options->pids[i]);
    }
    return total;
}

static uint64_t cpu_of_self(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool meter_goes_on(struct meter *meter, uint64_t now) {
    if (!meter->is_warm && now >= meter->begin_ns) {
        meter->is_warm = true;
        meter->begin_ns = now;
        meter->stop_ns = now + (uint64_t)(meter->options->seconds * 1e9);
        meter->operations = 0;
        meter->server_ns = cpu_of_server(meter->options);
        meter->own_ns = cpu_of_self();
    }
    if (!meter->is_warm || now < meter->stop_ns) {
        return true;
    }
    meter->end_ns = now;
    meter->server_ns = cpu_of_server(meter->options) - meter->server_ns;
    meter->own_ns = cpu_of_self() - meter->own_ns;
    return false;
}

void meter_count(struct meter *meter, uint64_t operations) { meter->operations += operations; }

static unsigned slot_of(uint64_t value) {
    if (value < (1u << FINE_BITS)) {
        return (unsigned)value;
    }
    unsigned shift = 63 - (unsigned)__builtin_clzll(value) - FINE_BITS;
    return ((shift + 1) << FINE_BITS) + (unsigned)((value >> shift) & ((1u << FINE_BITS) - 1));
}

static double value_of(unsigned slot) {
    unsigned shift = slot >> FINE_BITS, fine = slot & ((1u << FINE_BITS) - 1);
    if (shift == 0) {
        return fine;
    }
    return ((double)(fine + (1u << FINE_BITS)) + 0.5) * (double)(1ull << (shift - 1));
}

void meter_took(struct meter *meter, uint64_t nanoseconds) {
    if (meter->is_warm) {
        meter->slots[slot_of(nanoseconds)]++;
        meter->latencies++;
        meter->max_ns = nanoseconds > meter->max_ns ? nanoseconds : meter->max_ns;
    }
}

static double percentile(const struct meter *meter, double part) {
    uint64_t wanted = (uint64_t)((double)meter->latencies * part), seen = 0;
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        seen += meter->slots[slot];
        if (seen > wanted) {
            return value_of(slot) / 1000;
        }
    }
    return 0;
}

void meter_print(struct meter *meter) {
    double seconds = (double)(meter->end_ns - meter->begin_ns) / 1e9;
    double operations = meter->operations ? (double)meter->operations : 1;
    printf("{\"operations\": %llu, \"per_second\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
           "\"max_us\": %.1f, \"cpu_us\": %.4f, \"load_cpu_us\": %.4f}\n",
           (unsigned long long)meter->operations, (double)meter->operations / seconds,
           percentile(meter, 0.50), percentile(meter, 0.99), (double)meter->max_ns / 1000,
           (double)meter->server_ns / 1000 / operations, (double)meter->own_ns / 1000 / operations);
}
