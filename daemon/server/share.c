/* How long one connection may keep a turn of its loop. The coarse clock of the kernel serves, since
 * it is asked after each message and costs a few ns; the loop's own is read once a turn. */
#include <time.h>
#include "server/session.h"

#define SHARE_MS 5

bool share__is_used(uint64_t *begin_ms) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (*begin_ms == 0) {
        *begin_ms = now_ms;
    }
    return now_ms - *begin_ms >= SHARE_MS;
}
