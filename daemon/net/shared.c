/* Frames that go to many streams lie in one buffer until the turn ends, one behind the other. A
 * stream remembers no more than its range there: several broadcasts to one room are one range, and
 * leave with one write. */
#include <stdlib.h>
#include <string.h>
#include "net/output.h"

bool shared__place(struct net_loop *loop, struct net_frame *frame, uint32_t *at) {
    struct shared *shared = &loop->shared;
    if (shared->last == frame) {
        *at = shared->last_at;
        return true;
    }
    if (frame->size > NET_SHARED_SIZE - shared->used) {
        return false;
    }
    if (!shared->bytes) {
        shared->bytes = malloc(NET_SHARED_SIZE);
    }
    if (!shared->bytes) {
        return false;
    }
    if (shared->last) {
        net_frame_unref(shared->last);
    }
    shared->last = net_frame_ref(frame); /* so that no other frame gets its address */
    shared->last_at = shared->used;
    memcpy(shared->bytes + shared->used, frame->bytes, frame->size);
    shared->used += (uint32_t)frame->size;
    *at = shared->last_at;
    return true;
}

void shared__reset(struct net_loop *loop) {
    struct shared *shared = &loop->shared;
    shared->used = 0;
    if (shared->last) {
        net_frame_unref(shared->last);
        shared->last = NULL;
    }
}
