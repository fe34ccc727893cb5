/* Claims on their way to their home and back. */
#include "engine/claim.h"

#include <stdlib.h>

#include "engine/run.h"

#define RESEND_NS 1000000u
#define VALUE_MAX 256 /* of a key: what is longer ends in a digest, since tables keep it */

static void on_ask(struct engine *engine, struct engine_mail *mail);
static void on_answered(struct engine *engine, struct engine_mail *mail);
static void on_granted(struct engine *engine, struct engine_mail *mail);
static void on_dropped(struct engine *engine, struct engine_mail *mail);
static void on_yield(struct engine *engine, struct engine_mail *mail);
static void on_left(struct engine *engine, struct engine_mail *mail);

static uint32_t home_of(const struct engine *engine, struct slice key, bool is_own) {
    const struct engine_options *options = &engine->options;
    if (is_own || !options->post || options->worker_count <= 1)
        return options->worker;
    return (uint32_t)(hash_bytes(&options->home_key, key) % options->worker_count);
}

struct digest {
    uint64_t halves[2]; /* keyed, so that no peer finds two values with the same one */
};

static size_t key_room(struct slice value) {
    return value.size > VALUE_MAX ? VALUE_MAX + sizeof(struct digest) : value.size;
}

/* The same on all workers. */
static void put_value(const struct engine *engine, struct slice value, char *out) {
    const struct hash_key first = engine->options.home_key, second = {~first.b, first.a};
    if (value.size <= VALUE_MAX) {
        if (value.size)
            memcpy(out, value.bytes, value.size);
        return;
    }
    const struct digest digest = {{hash_bytes(&first, value), hash_bytes(&second, value)}};
    memcpy(out, value.bytes, VALUE_MAX);
    memcpy(out + VALUE_MAX, &digest, sizeof digest);
}

struct claim *claim__new(struct run *run, const struct expr_template *key, bool is_own) {
    char why[EXPR_WHY_MAX];
    struct slice value = SLICE_NONE, id = run->task->shared.id;
    struct scratch_hold hold = scratch__begin(run);
    bool is_good =
        !key || expr_eval_text(key, run__scope(run), EXPR_PLAIN, &value, why) == STATUS_OK;
    size_t size = id.size + 1 + key_room(value);
    struct claim *claim = is_good ? calloc(1, sizeof *claim + size) : NULL;
    if (claim) {
        memcpy(claim->key, id.bytes, id.size);
        put_value(run->engine, value, claim->key + id.size + 1);
        claim->key_size = size;
        claim->run = run;
        claim->worker = run->engine->options.worker;
        claim->home = home_of(run->engine, claim_key(claim), is_own && value.size > 0);
        claim->ask.arrive = on_ask;
        claim->answered.arrive = on_answered;
        claim->granted.arrive = on_granted;
        claim->dropped.arrive = on_dropped;
        claim->yield.arrive = on_yield;
        claim->left.arrive = on_left;
        list_init(&claim->link);
        atomic_init(&claim->references, 1);
    } else if (!is_good) {
        struct log_place place = {.task = id};
        log_line(LOG_WARN, &place, "the \"key\" of a mode or of at-most fails: %s", why);
    }
    scratch__end(run, hold);
    return claim;
}

void claim__unref(struct claim *claim) {
    if (atomic_fetch_sub_explicit(&claim->references, 1, memory_order_acq_rel) == 1)
        free(claim);
}

/* ---- mails ------------------------------------------------------------------------------------
 */

static void on_resend(struct engine_timer *timer) {
    claim__send_rest(CONTAINER_OF(timer, struct engine, resend));
}

void claim__send_rest(struct engine *engine) {
    while (engine->unsent) {
        struct engine_mail *mail = engine->unsent, *next = mail->next;
        if (engine->options.post(engine->options.host, mail->to, mail) != STATUS_OK)
            break;
        engine->unsent = next; /* the mail is the other worker's now, and may be gone */
    }
    if (!engine->unsent)
        return;
    engine->resend.due = on_resend;
    timer__arm(&engine->timers, &engine->resend, engine__now_ns(engine) + RESEND_NS);
}

/* What must arrive waits here while the mailbox is full. */
static void send(struct engine *engine, uint32_t to, struct claim *claim,
                 struct engine_mail *mail) {
    if (engine->is_ending)
        return;
    atomic_fetch_add_explicit(&claim->references, 1, memory_order_relaxed);
    mail->to = to;
    mail->next = NULL;
    *(engine->unsent ? &engine->last_unsent->next : &engine->unsent) = mail;
    engine->last_unsent = mail;
    claim__send_rest(engine);
}

void claim__tell(struct engine *engine, struct claim *claim, struct engine_mail *mail) {
    if (claim->worker != engine->options.worker) {
        send(engine, claim->worker, claim, mail);
        return;
    }
    atomic_fetch_add_explicit(&claim->references, 1, memory_order_relaxed);
    mail->arrive(engine, mail);
}

/* ---- the asker --------------------------------------------------------------------------------
 */

static void decide(struct engine *engine, struct claim *claim) {
    claim->is_being_asked = true;
    if (claim->kind == CLAIM_RATE)
        rate__ask(engine, claim);
    else
        turns__ask(engine, claim);
    claim->is_being_asked = false;
}

enum claim_answer claim__ask(struct engine *engine, struct claim *claim) {
    if (claim->home == engine->options.worker) {
        decide(engine, claim);
        return claim->answer;
    }
    atomic_fetch_add_explicit(&claim->references, 1, memory_order_relaxed);
    if (!engine->unsent && !engine->is_ending &&
        engine->options.post(engine->options.host, claim->home, &claim->ask) == STATUS_OK)
        return CLAIM_ASKED;
    claim__unref(claim);
    claim->gate = RUN_MEMORY;
    claim->retry_after_ms = 1000;
    claim->answer = CLAIM_REFUSED;
    claim->home = engine->options.worker; /* nobody else knows of it */
    return CLAIM_REFUSED;
}

static void leave_home(struct engine *engine, struct claim *claim) {
    if (claim->kind == CLAIM_RATE)
        rate__leave(engine, claim);
    else
        turns__leave(engine, claim);
}

void claim__leave(struct engine *engine, struct claim *claim) {
    claim->run = NULL;
    if (claim->home == engine->options.worker)
        leave_home(engine, claim);
    else
        send(engine, claim->home, claim, &claim->left);
    claim__unref(claim);
}

/* ---- what arrives; engine NULL: the worker has ended ------------------------------------------
 */

static void on_ask(struct engine *engine, struct engine_mail *mail) {
    struct claim *claim = CONTAINER_OF(mail, struct claim, ask);
    if (engine) {
        engine__enter(engine);
        decide(engine, claim);
        claim__tell(engine, claim, &claim->answered);
        engine__leave(engine);
    }
    claim__unref(claim);
}

static void news(struct engine *engine, struct claim *claim, enum claim_answer answer) {
    if (engine) {
        engine__enter(engine);
        if (claim->run)
            gate__news(claim->run, claim, answer);
        engine__leave(engine);
    }
    claim__unref(claim);
}

static void on_answered(struct engine *engine, struct engine_mail *mail) {
    struct claim *claim = CONTAINER_OF(mail, struct claim, answered);
    news(engine, claim, claim->answer);
}

static void on_granted(struct engine *engine, struct engine_mail *mail) {
    news(engine, CONTAINER_OF(mail, struct claim, granted), CLAIM_GRANTED);
}

static void on_dropped(struct engine *engine, struct engine_mail *mail) {
    news(engine, CONTAINER_OF(mail, struct claim, dropped), CLAIM_REFUSED);
}

static void on_yield(struct engine *engine, struct engine_mail *mail) {
    struct claim *claim = CONTAINER_OF(mail, struct claim, yield);
    if (engine && claim->run)
        run_cancel(claim->run);
    claim__unref(claim);
}

static void on_left(struct engine *engine, struct engine_mail *mail) {
    struct claim *claim = CONTAINER_OF(mail, struct claim, left);
    if (engine) {
        engine__enter(engine);
        leave_home(engine, claim);
        engine__leave(engine);
    }
    claim__unref(claim);
}
