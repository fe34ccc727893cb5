/* Claims: how a run asks for its turn, or for its share of an at-most, wherever that is kept.
 *
 * All claims on one key go to one worker, its home, which decides in the order they reach it. A
 * claim on the worker's own keys is decided inside the call; one on another's travels: it is the
 * message itself, each of its mails goes once. Both sides hold a reference, and each mail on its
 * way.
 *
 * States  asked -> refused | granted | waits -> granted | dropped; left, by the run, at any time.
 * Private to engine/. */
#ifndef BELLWIRE_ENGINE_CLAIM_H
#define BELLWIRE_ENGINE_CLAIM_H

#include "engine/program.h"
#include "engine/timers.h"

enum claim_kind { CLAIM_RATE, CLAIM_TURN };
enum claim_answer { CLAIM_ASKED, CLAIM_WAITS, CLAIM_GRANTED, CLAIM_REFUSED };
struct turns;
struct rate;
struct claim {
    atomic_uint references;
    uint32_t worker, home; /* who asks, who decides */
    enum claim_kind kind;
    struct run *run; /* the asker's: NULL once it has left */
    union {          /* what the task says, as it was when it was asked */
        struct {
            enum mode_type type;
            uint32_t max, max_waiting;
            enum mode_overflow overflow;
        };
        struct {
            uint32_t runs;
            uint64_t per_ns;
            enum rate_then then;
        };
    };
    /* The home's. */
    struct list link; /* of turns: holding or waiting */
    struct turns *turns;
    struct rate *rate;                       /* whose time it waits for, as the last one */
    bool is_being_asked, holds, is_yielding; /* the last: it was told to give way */
    /* The answer, written before its mail goes. */
    enum claim_answer answer;
    enum run_gate gate; /* that refuses */
    uint64_t retry_after_ms;
    struct engine_mail ask, answered, granted, dropped, yield, left;
    size_t key_size;
    char key[]; /* task ID, NUL, the value of `key`, or its beginning and a digest */
};
static inline struct slice claim_key(const struct claim *claim) {
    return (struct slice){claim->key, claim->key_size};
}

/* ---- claim.c: the asker's side, and the way between ---- */
/* Who keeps the turns of this key. `is_own`: this worker, where the value is not empty. */
struct claim *claim__new(struct run *run, const struct expr_template *key, bool is_own);
/* CLAIM_ASKED: the answer comes as news of the run. */
enum claim_answer claim__ask(struct engine *engine, struct claim *claim);
void claim__leave(struct engine *engine, struct claim *claim); /* the run's reference goes */
void claim__unref(struct claim *claim);
/* For the home. */
void claim__tell(struct engine *engine, struct claim *claim, struct engine_mail *mail);
void claim__send_rest(struct engine *engine); /* what a full mailbox did not take */

/* ---- turns.c, rate.c: the home's side ---- */
/* Sets the claim's answer; a reference is kept while it waits or holds. */
void turns__ask(struct engine *engine, struct claim *claim);
void turns__leave(struct engine *engine, struct claim *claim);
void turns__free_all(struct engine *engine);
void rate__ask(struct engine *engine, struct claim *claim);
void rate__leave(struct engine *engine, struct claim *claim);
void rates__free(struct engine *engine);

#endif
