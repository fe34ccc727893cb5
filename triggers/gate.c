/* The gates before a task. What is quick is told at once, between two comparisons and two hashes; a
 * password, or the signature of a long body, is a check in the crypto pool that holds its request.
 * When it comes back the request goes through its gates anew, since the program may be another one
 * by then; the gate remembers what the check found. */
#include <stdlib.h>

#include "net/tls.h"
#include "triggers/event.h"

#define CHECKS_MAX   64          /* that wait or run, of one worker */
#define INLINE_BYTES (64 * 1024) /* of what is signed: a hash of them takes a fraction of a ms */

struct check {
    struct crypto_job job;
    struct list node;
    struct triggers *triggers;      /* NULL: given up */
    struct server_request *request; /* held */
    bool fits;
    struct access_password password;
    /* of a signature: */
    const struct access_signature *its; /* of `program` */
    struct program *program;
    uint8_t signature[CRYPTO_DIGEST_MAX];
    struct arena arena;
    struct slice text; /* in the arena, or the request's body */
};
struct gate {
    struct access_memo memo;
    struct access_cache *cache;
    struct arena scratch;
    struct list checks;
    size_t check_count;
    /* What a check that came back has found, for the time of one call. */
    const struct server_request *denied, *signed_request;
    bool is_signed, is_late;
    char peer[ACCESS_PEER_MAX];
    struct http_header headers[ACCESS_HEADERS_MAX + 1];
    struct access_answer answer;
    char seen[ACCESS_SEEN_MAX];
    size_t seen_size;
};

static void deny(struct gate *gate, const struct trigger_auth *own, const struct access_auth *ways,
                 struct server_route *out);
static void busy(struct gate *gate, const struct server_request *request, struct server_route *out);
static bool begin_password(struct triggers *triggers, struct server_request *request,
                           const struct access_password *password);
static void work_on_password(struct crypto_job *job);
static void on_password_done(struct crypto_job *job, struct net_loop *loop);
static bool begin_signature(struct triggers *triggers, struct server_request *request,
                            const struct trigger_hmac *hmac, const uint8_t *signature);
static void work_on_signature(struct crypto_job *job);
static void on_signature_done(struct crypto_job *job, struct net_loop *loop);

struct gate *gate__new(void) {
    struct gate *gate = calloc(1, sizeof *gate);
    if (!gate)
        return NULL;
    gate->cache = access_cache_new();
    if (!gate->cache) {
        free(gate);
        return NULL;
    }
    arena_init(&gate->scratch, 4096, 0);
    list_init(&gate->checks);
    return gate;
}

void gate__end(struct gate *gate) {
    while (!list_is_empty(&gate->checks)) {
        struct check *check = CONTAINER_OF(gate->checks.next, struct check, node);
        list_remove(&check->node);
        server_request_release(check->request);
        check->triggers = NULL; /* freed when the pool gives it back */
    }
}

void gate__free(struct gate *gate) {
    access_cache_free(gate->cache);
    arena_deinit(&gate->scratch);
    free(gate);
}

void gate__set_late(struct triggers *triggers, bool is_late) { triggers->gate->is_late = is_late; }

/* ---- who asks, from where -------------------------------------------------------------------- */

static void tell(struct triggers *triggers, const struct server_request *request,
                 struct slice peer) {
    const struct access_answer *answer = &triggers->gate->answer;
    const struct log_place where = {.server = request->config->options.id};
    if (answer->refused.bytes && answer->line.size &&
        access_is_loggable(request->config->access, answer->refused,
                           net_loop_now_ms(triggers->loop)))
        log_line(
            LOG_WARN, &where,
            "refused a request of " SLICE_FMT " for %s \"" SLICE_FMT "\"; to allow it: " SLICE_FMT,
            SLICE_ARG(peer), answer->what, SLICE_ARG(answer->refused), SLICE_ARG(answer->line));
}

bool gate__access(struct triggers *triggers, struct server_request *request,
                  struct server_route *out) {
    struct gate *gate = triggers->gate;
    const struct access_rules *rules = request->config->access;
    struct access_answer *answer = &gate->answer;
    if (request->config->options.trusted_proxies.count)
        out->peer = access_peer(rules, &request->http, request->peer, gate->peer);
    access_check(rules, &request->http, &gate->memo, answer);
    out->cors = (uint8_t)answer->cors;
    if (!answer->status)
        return true;
    if (answer->status == 403)
        server_count_denied(request, answer->gate);
    tell(triggers, request, out->peer.size ? out->peer : request->peer);
    out->status = answer->status;
    out->text = answer->text;
    out->content_type = answer->content_type;
    out->headers = answer->headers;
    out->header_count = answer->header_count;
    return false;
}

bool gate__speculation(const struct triggers *triggers, const struct server_request *request,
                       struct server_route *out) {
    static const struct http_header no_store = {{"Cache-Control", 13}, {"no-store", 8}};
    if (!triggers->gate->answer.is_speculative)
        return true;
    server_count_denied(request, ACCESS_PREFETCH);
    out->status = 503;
    out->text = SLICE("tasks are not started ahead of time");
    out->headers = &no_store;
    out->header_count = 1;
    return false;
}

/* ---- with which credentials ------------------------------------------------------------------ */

struct slice gate__seen(const struct triggers *triggers) {
    return (struct slice){triggers->gate->seen, triggers->gate->seen_size};
}

static void keep_seen(struct gate *gate, struct slice text) {
    if (text.bytes != gate->seen)
        memcpy(gate->seen, text.bytes, text.size); /* fits: a constant of ours */
    gate->seen_size = text.size;
}

static void see_credentials(struct triggers *triggers, const struct server_request *request,
                            const struct access_auth *ways, struct slice user) {
    struct gate *gate = triggers->gate;
    const struct access_request asked = {.http = &request->http, .scratch = &gate->scratch};
    keep_seen(gate, access_credentials_seen(ways, &asked, user, gate->seen));
}

static void see_signature(struct triggers *triggers, const struct server_request *request,
                          const struct trigger_hmac *hmac) {
    const struct clock *clock = net_loop_clock(triggers->loop);
    keep_seen(triggers->gate, access_signature_seen(&hmac->signature, &request->http,
                                                    clock->wall_ms(clock), triggers->gate->seen));
}

void gate__auth(struct triggers *triggers, struct server_request *request,
                const struct trigger_auth *own, struct server_route *out) {
    struct gate *gate = triggers->gate;
    bool is_own = own && own->is_given;
    const struct access_auth *ways = is_own ? own->ways : request->config->options.auth;
    bool may_sign = is_own && own->hmac.name.bytes &&
                    http_request_header(&request->http, own->hmac.signature.header).size;
    if ((!ways && !is_own) || request->is_adopted)
        return;
    enum access_grant grant = ACCESS_DENIED;
    struct access_password password;
    if (ways) {
        const struct access_request asked = {.http = &request->http,
                                             .cache = gate->cache,
                                             .scratch = &gate->scratch,
                                             .now_ms = net_loop_now_ms(triggers->loop)};
        grant = access_authenticate(ways, &asked, &password, &out->user);
    }
    if (grant == ACCESS_ASK && gate->denied != request) {
        if (!gate->is_late && begin_password(triggers, request, &password))
            out->is_pending = true;
        else
            busy(gate, request, out);
    } else if (grant != ACCESS_GRANTED && !may_sign) { /* else the body tells */
        server_count_denied(request, ACCESS_CREDENTIALS);
        if (ways)
            see_credentials(triggers, request, ways, out->user);
        else
            see_signature(triggers, request, &own->hmac);
        deny(gate, is_own ? own : NULL, ways, out);
    }
    if (grant != ACCESS_GRANTED)
        out->user = SLICE_NONE;
    if (grant == ACCESS_ASK)
        crypto_wipe(&password, sizeof password);
    arena_reset(&gate->scratch);
}

static void deny(struct gate *gate, const struct trigger_auth *own, const struct access_auth *ways,
                 struct server_route *out) {
    size_t count = ways ? access_challenges(ways, gate->headers) : 0;
    if (own && own->hmac.name.bytes)
        gate->headers[count++] =
            (struct http_header){SLICE("WWW-Authenticate"), SLICE("Signature realm=\"bellwire\"")};
    out->status = 401;
    out->text = SLICE("this needs credentials");
    out->headers = gate->headers;
    out->header_count = count;
}

static void busy(struct gate *gate, const struct server_request *request,
                 struct server_route *out) {
    static const struct http_header retry = {{"Retry-After", 11}, {"1", 1}};
    out->status = 503;
    server_count_denied(request, ACCESS_BUSY);
    out->text = SLICE("too many credentials are being checked");
    keep_seen(gate, out->text);
    out->headers = &retry;
    out->header_count = 1;
}

/* ---- checks in the pool ---------------------------------------------------------------------- */

static struct check *check_new(struct triggers *triggers, struct server_request *request) {
    struct gate *gate = triggers->gate;
    struct check *check = gate->check_count < CHECKS_MAX ? calloc(1, sizeof *check) : NULL;
    if (!check)
        return NULL;
    if (server_request_hold(request)) {
        free(check);
        return NULL;
    }
    check->triggers = triggers;
    check->request = request;
    arena_init(&check->arena, 4096, 0);
    list_append(&gate->checks, &check->node);
    gate->check_count++;
    return check;
}

static void check_free(struct check *check) {
    if (check->triggers) {
        list_remove(&check->node);
        check->triggers->gate->check_count--;
        server_request_release(check->request);
    }
    if (check->program)
        program_unref(check->program);
    arena_deinit(&check->arena);
    crypto_wipe(&check->password, sizeof check->password);
    free(check);
}

static bool begin_password(struct triggers *triggers, struct server_request *request,
                           const struct access_password *password) {
    struct check *check = check_new(triggers, request);
    if (!check)
        return false;
    check->password = *password;
    check->job.work = work_on_password;
    check->job.done = on_password_done;
    if (crypto_pool_run(triggers->loop, CRYPTO_PASSWORDS, &check->job) == STATUS_OK)
        return true;
    check_free(check);
    return false;
}

static void work_on_password(struct crypto_job *job) {
    struct check *check = CONTAINER_OF(job, struct check, job);
    check->fits = access_password_fits(&check->password);
}

static void on_password_done(struct crypto_job *job, struct net_loop *loop) {
    struct check *check = CONTAINER_OF(job, struct check, job);
    struct triggers *triggers = check->triggers;
    if (triggers && loop && !check->request->is_answered && !check->request->is_gone) {
        struct server_request *request = check->request;
        struct server_route route = {0};
        if (check->fits)
            access_cache_add(triggers->gate->cache, &check->password, net_loop_now_ms(loop));
        triggers->gate->denied = check->fits ? NULL : request;
        dispatch__head(triggers, request, &route);
        triggers->gate->denied = NULL;
        if (!route.is_pending) /* another password, where the files have changed meanwhile */
            server_decide(request, &route);
    }
    check_free(check);
}

/* ---- signatures ------------------------------------------------------------------------------ */

/* What is signed; bytes NULL when it cannot be made. */
static struct slice signed_text(const struct trigger_hmac *hmac, struct server_request *request,
                                struct arena *arena) {
    struct slice text = request->body;
    if (!hmac->text)
        return text.bytes ? text : SLICE("");
    char why[EXPR_WHY_MAX];
    struct request_event event = {.event.trigger = request->route, .request = request};
    struct expr_scope scope = {.arena = arena};
    scope.sources[EXPR_HTTP] = &event;
    event__json_init(&event.json, request->body);
    enum status status = expr_eval_text(hmac->text, &scope, EXPR_PLAIN, &text, why);
    if (!status && text.bytes != request->body.bytes)
        status = arena_copy(arena, text, &text); /* it may lie in the event */
    event__json_deinit(&event.json);
    return status ? SLICE_NONE : text.bytes ? text : SLICE("");
}

static void answer(struct server_request *request, const struct server_route *route) {
    const struct server_response response = {.status = route->status,
                                             .headers = route->headers,
                                             .header_count = route->header_count,
                                             .content_type = SLICE("text/plain; charset=utf-8"),
                                             .body = route->text};
    (void)server_respond(request, &response); /* gone: dropped and counted */
}

/* False: it is checked in the pool, or could not be. */
static bool check_now(struct triggers *triggers, struct server_request *request,
                      const struct trigger_hmac *hmac, bool *fits) {
    const struct clock *clock = net_loop_clock(triggers->loop);
    struct arena *scratch = &triggers->gate->scratch;
    struct server_route route = {0};
    uint8_t signature[CRYPTO_DIGEST_MAX];
    *fits = false;
    if (!access_signature_read(&hmac->signature, &request->http, clock->wall_ms(clock), signature))
        return true;
    struct slice text = signed_text(hmac, request, scratch);
    bool is_short = text.bytes && text.size <= INLINE_BYTES;
    if (is_short)
        *fits = access_signature_fits(&hmac->signature, text, signature);
    arena_reset(scratch);
    if (is_short)
        return true;
    if (!text.bytes || !begin_signature(triggers, request, hmac, signature)) {
        busy(triggers->gate, request, &route);
        dispatch__note_refusal(triggers, request, request->route);
        answer(request, &route);
    }
    return false;
}

bool gate__signature(struct triggers *triggers, struct server_request *request,
                     const struct trigger_auth *own) {
    struct gate *gate = triggers->gate;
    struct server_route route = {0};
    bool fits = gate->is_signed;
    if (request->user.size || request->is_adopted) /* another way in was enough */
        return true;
    if (gate->signed_request != request && !check_now(triggers, request, &own->hmac, &fits))
        return false;
    if (fits) {
        request->user = own->hmac.name;
        return true;
    }
    server_count_denied(request, ACCESS_SIGNATURE);
    see_signature(triggers, request, &own->hmac);
    dispatch__note_refusal(triggers, request, request->route);
    deny(gate, own, own->ways, &route);
    answer(request, &route);
    return false;
}

/* The text is made again, since holding the request moves what it borrows from. */
static bool begin_signature(struct triggers *triggers, struct server_request *request,
                            const struct trigger_hmac *hmac, const uint8_t *signature) {
    struct check *check = check_new(triggers, request);
    if (!check)
        return false;
    check->job.work = work_on_signature;
    check->job.done = on_signature_done;
    check->its = &hmac->signature;
    check->program = program_ref(engine_program(triggers->engine));
    check->text = signed_text(hmac, request, &check->arena);
    memcpy(check->signature, signature, sizeof check->signature);
    if (check->text.bytes &&
        crypto_pool_run(triggers->loop, CRYPTO_PASSWORDS, &check->job) == STATUS_OK)
        return true;
    check_free(check);
    return false;
}

static void work_on_signature(struct crypto_job *job) {
    struct check *check = CONTAINER_OF(job, struct check, job);
    check->fits = access_signature_fits(check->its, check->text, check->signature);
}

static void on_signature_done(struct crypto_job *job, struct net_loop *loop) {
    struct check *check = CONTAINER_OF(job, struct check, job);
    struct triggers *triggers = check->triggers;
    if (triggers && loop && !check->request->is_gone) {
        struct gate *gate = triggers->gate;
        /* Under another program it is checked anew. */
        bool is_same = program_generation(check->program) == triggers->generation;
        gate->signed_request = is_same ? check->request : NULL;
        gate->is_signed = check->fits;
        dispatch__request(triggers, check->request);
        gate->signed_request = NULL;
    }
    check_free(check);
}
