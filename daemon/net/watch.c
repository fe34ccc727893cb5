/* Readiness of descriptors that are not streams: pidfds, pipes, sockets of others. */
#include "net/loop.h"

static void on_watch_ready(struct net_source *source, uint32_t events) {
    struct net_watch *watch = CONTAINER_OF(source, struct net_watch, source);
    watch->fn(watch, events);
}

enum status net_watch_start(struct net_loop *loop, struct net_watch *watch, int fd,
                            uint32_t events) {
    watch->loop = loop;
    watch->source = (struct net_source){.ready = on_watch_ready, .fd = fd};
    enum status status = loop__add(loop, &watch->source, events);
    if (status != STATUS_OK) {
        watch->loop = NULL;
    }
    return status;
}

enum status net_watch_change(struct net_watch *watch, uint32_t events) {
    return loop__modify(watch->loop, &watch->source, events);
}

void net_watch_stop(struct net_watch *watch) {
    if (watch->loop) {
        loop__remove(watch->loop, &watch->source);
        watch->loop = NULL;
    }
}
