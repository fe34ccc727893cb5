/* TLS for streams, and the threads for what takes milliseconds of CPU. A part of net.h.
 *
 * A handshake runs in the crypto pool; meanwhile its stream is not read. After it the stream works
 * as before, encrypted: NET_END is the peer's close_notify, an end without one is NET_ERROR
 * (ECONNRESET), net_stream_finish() sends ours. TLS 1.2, and 1.3 where the library has it. */
#ifndef BELLWIRE_NET_TLS_H
#define BELLWIRE_NET_TLS_H

#include "net/net.h"

/* ---- the crypto pool
 * ----------------------------------------------------------------------------- */
/* Threads of the lowest priority. Each lane has its own, so that slow password checks hold up no
 * handshake. */
struct crypto_pool;
enum crypto_lane { CRYPTO_HANDSHAKES, CRYPTO_PASSWORDS, CRYPTO_LANES };
struct crypto_pool_options {
    uint32_t threads;  /* of a lane; 0: one a core, at most 4 */
    uint32_t max_jobs; /* that wait in a lane; 0: 4,096 */
};
/* Before other threads use TLS. NULL: errno says why. Hand it to loops in net_loop_options. */
struct crypto_pool *crypto_pool_new(const struct crypto_pool_options *options);
/* Waits for the jobs that run; those that wait come back without having run. To be called after the
 * loops have stopped and before they are freed. */
void crypto_pool_free(struct crypto_pool *pool);
struct crypto_job {             /* embedded in what it works on */
    struct net_message message; /* private */
    struct crypto_job *next;    /* private */
    struct net_loop *home;      /* private */
    void (*work)(
        struct crypto_job *job); /* on a thread of the pool, which owns the job meanwhile */
    /* Once on the loop that asked, whether it ran or not; `loop` is NULL when that loop is freed.
     */
    void (*done)(struct crypto_job *job, struct net_loop *loop);
    bool has_run;
};
/* STATUS_LIMIT: as many wait already; STATUS_UNSUPPORTED: the loop was given no pool. The job is
 * still the caller's then. */
enum status crypto_pool_run(struct net_loop *loop, enum crypto_lane lane, struct crypto_job *job);

/* ---- files: made on any thread, immutable, counted
 * ----------------------------------------------- */
enum net_tls_part { NET_TLS_CERTIFICATE, NET_TLS_KEY, NET_TLS_CA };
#define NET_TLS_WHY_MAX 512
struct net_tls_fault { /* what is wrong with a file */
    enum net_tls_part part;
    char text[NET_TLS_WHY_MAX]; /* names the file and the reason */
};
/* Certificates that vouch for others. */
struct net_tls_store;
#define NET_TLS_SYSTEM_STORE "/etc/ssl/certs/ca-certificates.crt"
/* From a PEM file. `is_system`: certificates of a kind that is not known here are left out, as long
 * as there are others. NULL: *fault says why. */
struct net_tls_store *net_tls_store_new(const char *path, bool is_system,
                                        struct net_tls_fault *fault);
struct net_tls_store *net_tls_store_ref(struct net_tls_store *store);
void net_tls_store_unref(struct net_tls_store *store); /* NULL is allowed */

struct net_tls_config;
struct net_tls_options {
    bool is_server;
    const char *certificate, *key; /* PEM files: a chain, and its key. NULL: none, for clients */
    /* Server: clients must show a certificate that it vouches for; NULL asks for none. Client: who
     * vouches for servers; NULL accepts anybody. */
    struct net_tls_store *store;
};
struct net_tls_config *net_tls_config_new(const struct net_tls_options *options,
                                          struct net_tls_fault *fault); /* NULL: *fault */
struct net_tls_config *net_tls_config_ref(struct net_tls_config *config);
void net_tls_config_unref(struct net_tls_config *config); /* NULL is allowed */
/* Before `config` is used: sessions made under `old` can be resumed under it, unless the two differ
 * in whom they ask for a certificate, or in the type of their key. For servers, across a reload. */
void net_tls_config_inherit(struct net_tls_config *config, const struct net_tls_config *old);
/* How many handshakes resumed a session, of all configurations that inherited from each other. */
uint64_t net_tls_config_resumed(const struct net_tls_config *config);

/* ---- streams
 * --------------------------------------------------------------------------------------- */
/* On the loop, once: STATUS_OK, from now on the stream may be written to. Else the stream is to be
 * closed, or finished so that the peer gets our alert, and `why` says what happened (valid for the
 * call): SYNTAX (what came is not TLS; what is written now goes out plain), DENIED (we refuse the
 * peer's certificate), PROTOCOL, CLOSED (the peer has gone), LIMIT (too many handshakes wait),
 * NO_MEMORY. Not called after net_stream_close() or NET_ERROR. */
typedef void (*net_tls_fn)(struct net_stream *stream, enum status status, const char *why);
/* The stream is new: nothing was written and nothing may be before `done`; a timeout is the
 * caller's. STATUS_NO_MEMORY, STATUS_UNSUPPORTED (no crypto pool): `done` is not called. */
enum status net_tls_accept(struct net_stream *stream, struct net_tls_config *config,
                           net_tls_fn done);
/* What a client keeps of its last session, to resume it: of one loop, counted. It forgets when the
 * configuration or the name differs. */
struct net_tls_memory;
struct net_tls_memory *net_tls_memory_new(void);          /* NULL without memory */
void net_tls_memory_unref(struct net_tls_memory *memory); /* NULL is allowed */
struct net_tls_target {
    struct net_tls_config *config;
    struct slice name;             /* DNS name or address that the certificate must have */
    struct net_tls_memory *memory; /* or NULL */
};
/* As above; also STATUS_LIMIT (the name is too long, or too many handshakes wait). */
enum status net_tls_connect(struct net_stream *stream, const struct net_tls_target *target,
                            net_tls_fn done);
static inline bool net_stream_is_tls(const struct net_stream *stream) {
    return stream->layer != NULL;
}
const char *net_tls_version(const struct net_stream *stream); /* "TLSv1.2" ...; NULL: plain */

#endif
