/* The system's clocks behind the face that tests replace. */
#include "base/base.h"

#include <time.h>

static uint64_t system_mono_ns(const struct clock *clock) {
    (void)clock; /* the system has only one */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t wall_ms(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static uint64_t system_wall_ms(const struct clock *clock) {
    (void)clock; /* the system has only one */
    return wall_ms(CLOCK_REALTIME);
}

static uint64_t coarse_wall_ms(const struct clock *clock) {
    (void)clock; /* as above */
    return wall_ms(CLOCK_REALTIME_COARSE);
}

const struct clock clock_system = {.mono_ns = system_mono_ns, .wall_ms = system_wall_ms};
const struct clock clock_coarse = {.mono_ns = system_mono_ns, .wall_ms = coarse_wall_ms};
