/* Preloaded into a daemon by test_faults.py: wall clocks are off by the seconds that a file holds
 * as text, read at each call. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset_s(void) {
    long offset = 0;
    FILE *file = fopen(getenv("CLOCK_STEP"), "re");
    if (!file)
        return 0;
    if (fscanf(file, "%ld", &offset) != 1)
        offset = 0;
    fclose(file);
    return offset;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int error = (int)syscall(SYS_clock_gettime, clock, out);
    if (!error && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        out->tv_sec += offset_s();
    return error;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone; /* obsolete */
    clock_gettime(CLOCK_REALTIME, &now);
    *out = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return 0;
}
