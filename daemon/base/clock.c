/* The system's clocks behind the face that tests replace. */
#include "base/base.h"

#include <time.h>

static uint64_t system_mono_ns(const struct clock *clock) {
    (void)clock; /* the system has only one */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t system_wall_ms(const struct clock *clock) {
    (void)clock; /* the system has only one */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

const struct clock clock_system = {.mono_ns = system_mono_ns, .wall_ms = system_wall_ms};
