/* Whose program a worker starts next: first come, first served, and few in one turn of its loop.
 * Starting one takes as long as thousands of messages do; after a while the loop looks at what else
 * is ready: other sessions, and programs that have ended, whose runs would wait behind all those
 * that are to be started. */
#include "actions/process.h"

#define A_TURN_NS 1000000 /* of starting; one program at least */

static void on_turn(struct net_message *message, struct net_loop *loop);

void launch__init(struct action_host *host) {
    list_init(&host->launches.waiting);
    host->launches.message = (struct net_message){.run = on_turn};
}

static uint64_t now_ns(const struct action_host *host) {
    const struct clock *clock = net_loop_clock(host->loop);
    return clock->mono_ns(clock);
}

static bool has_time(struct action_host *host) {
    struct action_launches *launches = &host->launches;
    uint64_t turn = net_loop_pulse(host->loop);
    if (launches->turn != turn) {
        launches->turn = turn;
        launches->spent_ns = 0;
    }
    return launches->spent_ns < A_TURN_NS;
}

static void ask_for_turn(struct action_host *host) {
    struct action_launches *launches = &host->launches;
    if (!launches->is_asked)
        net_post_answer(host->loop, &launches->message);
    launches->is_asked = true;
}

bool launch__wait(struct action_host *host, struct launch *launch) {
    if (list_is_empty(&host->launches.waiting) && has_time(host))
        return false;
    ask_for_turn(host);
    list_append(&host->launches.waiting, &launch->node);
    return true;
}

void launch__cancel(struct launch *launch) { list_remove(&launch->node); }

uint64_t launch__begin(const struct action_host *host) { return now_ns(host); }

void launch__end(struct action_host *host, uint64_t begin_ns) {
    host->launches.spent_ns += now_ns(host) - begin_ns;
}

static void on_turn(struct net_message *message, struct net_loop *loop) {
    struct action_host *host = CONTAINER_OF(CONTAINER_OF(message, struct action_launches, message),
                                            struct action_host, launches);
    struct list *waiting = &host->launches.waiting;
    host->launches.is_asked = false;
    while (loop && !list_is_empty(waiting)) {
        if (!has_time(host)) {
            ask_for_turn(host);
            break;
        }
        struct launch *launch = CONTAINER_OF(waiting->next, struct launch, node);
        list_remove(&launch->node);
        launch->start(launch);
    }
}
