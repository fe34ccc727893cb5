/* TLS between a stream and its socket.
 *
 * States: SHAKING, where steps of the handshake run in the crypto pool: a step owns everything in
 * the struct but `stream`; the loop moves bytes between the socket and in/out when none runs. Then
 * OPEN; ENDED after the peer's close_notify; or FAILED, or PLAIN where the peer does not speak TLS.
 * A stream that closes during a step leaves the struct to it.
 *
 * Reading decrypts straight into the loop's read buffer: what the socket gives goes to its upper
 * part, from there through mbedTLS to the lower part. So nothing that came stays behind, but an
 * incomplete record inside mbedTLS. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "net/output.h"
#include "net/tls_inside.h"
#include "net/transfer.h"

#define RECORD_MAX    (16384 + 512) /* RFC 8446 section 5.1, with room for what surrounds it */
#define HEADER_SIZE   5
#define HANDSHAKE_MAX (256 * 1024)
#define TAG_ADDRESS   0x87 /* iPAddress in subjectAltName, RFC 5280 section 4.2.1.6 */

enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_ENDED, TLS_FAILED, TLS_PLAIN };
struct net_tls {
    struct net_layer layer;
    struct crypto_job job;
    struct net_stream *stream; /* NULL: closed during a step */
    struct net_tls_config *config;
    struct net_tls_memory *memory;
    net_tls_fn done;
    mbedtls_ssl_context ssl;
    struct buffer in, out; /* of the handshake, and what came right behind it */
    size_t whole_bytes;    /* SHAKING: at the start of `in`, of whole records */
    struct net_bytes raw;  /* OPEN: what a read got from the socket */
    uint32_t verify_flags;
    int result, error; /* of the last step; errno of what ended it */
    uint8_t state;     /* enum tls_state */
    bool is_working, has_heard, is_self_signed, has_said_goodbye;
    uint8_t ip_size, ip[16]; /* the address that the certificate must have; size 0: a name */
    char name[TLS_NAME_MAX];
};

static enum status begin(struct net_stream *stream, struct net_tls *tls, net_tls_fn done);
static void step(struct net_tls *tls);
static void on_work(struct crypto_job *job);
static void on_step_done(struct crypto_job *job, struct net_loop *loop);
static void settle(struct net_tls *tls);
static void open_up(struct net_tls *tls);
static void fail(struct net_tls *tls, enum status status, const char *why);
static void destroy(struct net_tls *tls);
static ssize_t layer_recv(struct net_layer *layer, int fd, void *bytes, size_t size);
static ssize_t layer_send(struct net_layer *layer, int fd, const void *bytes, size_t size);
static bool layer_shutdown(struct net_layer *layer, int fd);
static void layer_free(struct net_layer *layer);
static int take_input(void *context, unsigned char *bytes, size_t size);
static int put_output(void *context, const unsigned char *bytes, size_t size);
static int on_certificate(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags);

/* ---- beginning ------------------------------------------------------------------------------ */

static struct net_tls *tls_new(struct net_tls_config *config) {
    struct net_tls *tls = calloc(1, sizeof(*tls));
    if (!tls) {
        return NULL;
    }
    tls->layer = (struct net_layer){
        .recv = layer_recv, .send = layer_send, .shutdown = layer_shutdown, .free = layer_free};
    tls->job.work = on_work;
    tls->job.done = on_step_done;
    tls->config = net_tls_config_ref(config);
    buffer_init(&tls->in, HANDSHAKE_MAX);
    buffer_init(&tls->out, HANDSHAKE_MAX);
    mbedtls_ssl_init(&tls->ssl);
    if (mbedtls_ssl_setup(&tls->ssl, &config->ssl) != 0) {
        destroy(tls);
        return NULL;
    }
    mbedtls_ssl_set_bio(&tls->ssl, tls, put_output, take_input, NULL);
    mbedtls_ssl_set_verify(&tls->ssl, on_certificate, tls);
    return tls;
}

enum status net_tls_accept(struct net_stream *stream, struct net_tls_config *config,
                           net_tls_fn done) {
    struct net_tls *tls = tls_new(config);
    return tls ? begin(stream, tls, done) : STATUS_NO_MEMORY;
}

/* A literal address is no name for SNI (RFC 6066 section 3), and on_certificate() compares it. */
static int set_name(struct net_tls *tls, struct slice name) {
    memcpy(tls->name, name.bytes, name.size);
    if (inet_pton(AF_INET, tls->name, tls->ip) == 1) {
        tls->ip_size = 4;
    } else if (inet_pton(AF_INET6, tls->name, tls->ip) == 1) {
        tls->ip_size = 16;
    } else if (name.size > 1 && name.bytes[name.size - 1] == '.') {
        char without[TLS_NAME_MAX] = "";
        memcpy(without, name.bytes, name.size - 1);
        return mbedtls_ssl_set_hostname(&tls->ssl, without);
    }
    return mbedtls_ssl_set_hostname(&tls->ssl, tls->ip_size ? NULL : tls->name);
}

enum status net_tls_connect(struct net_stream *stream, const struct net_tls_target *target,
                            net_tls_fn done) {
    struct net_tls *tls = target->name.size < TLS_NAME_MAX ? tls_new(target->config) : NULL;
    if (!tls || set_name(tls, target->name) != 0) {
        if (tls) {
            destroy(tls);
        }
        return target->name.size < TLS_NAME_MAX ? STATUS_NO_MEMORY : STATUS_LIMIT;
    }
    if (target->memory) {
        tls_memory__recall(target->memory, target, &tls->ssl);
        tls->memory = target->memory;
        tls->memory->refs++;
    }
    return begin(stream, tls, done);
}

/* A client speaks first; a server's first step waits for input. */
static enum status begin(struct net_stream *stream, struct net_tls *tls, net_tls_fn done) {
    enum status status = stream->loop->crypto_pool ? STATUS_OK : STATUS_UNSUPPORTED;
    tls->stream = stream;
    tls->done = done;
    if (status == STATUS_OK && !tls->config->is_server) {
        status = crypto_pool_run(stream->loop, CRYPTO_HANDSHAKES, &tls->job);
        tls->is_working = stream->is_paused = status == STATUS_OK;
    }
    if (status != STATUS_OK) {
        destroy(tls);
        return status;
    }
    stream->layer = &tls->layer;
    return STATUS_OK;
}

/* ---- the handshake -------------------------------------------------------------------------- */

static void on_work(struct crypto_job *job) {
    struct net_tls *tls = CONTAINER_OF(job, struct net_tls, job);
    tls->result = tls_version__handshake(&tls->ssl);
}

static void on_step_done(struct crypto_job *job, struct net_loop *loop) {
    struct net_tls *tls = CONTAINER_OF(job, struct net_tls, job);
    struct net_stream *stream = tls->stream;
    tls->is_working = false;
    if (!stream) {
        destroy(tls);
    } else if (loop && stream->state == NET_OPEN && !stream->fault) {
        if (!job->has_run) {
            fail(tls, STATUS_CLOSED, "the daemon is ending");
        } else {
            settle(tls);
        }
    }
}

/* Acts on what a step has brought. Calls out last. */
static void settle(struct net_tls *tls) {
    bool has_flushed = output__flush_layer(tls->stream);
    if (!has_flushed && tls->stream->fault) {
        fail(tls, STATUS_CLOSED, "the peer has gone during the TLS handshake");
    } else if (tls->result == 0) {
        open_up(tls);
    } else if (tls->result == MBEDTLS_ERR_SSL_WANT_READ ||
               tls->result == MBEDTLS_ERR_SSL_WANT_WRITE) {
        net_stream_resume(tls->stream);
    } else {
        char why[TLS_WHY_MAX];
        const struct tls_failure failure = {.code = tls->result,
                                            .verify_flags = tls->verify_flags,
                                            .is_self_signed = tls->is_self_signed,
                                            .alert = tls_version__alert(&tls->ssl),
                                            .name = tls->name};
        enum status status = tls_text__failure(&failure, why);
        fail(tls, status, why);
    }
}

static int recv_raw(void *context, unsigned char *bytes, size_t size);
static int send_raw(void *context, const unsigned char *bytes, size_t size);

static void open_up(struct net_tls *tls) {
    struct net_stream *stream = tls->stream;
    tls->state = TLS_OPEN;
    mbedtls_ssl_set_bio(&tls->ssl, tls, send_raw, recv_raw, NULL);
    if (tls->memory && tls_version__has_session(&tls->ssl)) {
        tls_memory__keep(tls->memory, tls->config, tls->name, &tls->ssl);
    }
    /* Even without leftovers: mbedTLS may hold a whole record, or the end of the connection. */
    tls->layer.has_input = true;
    net_stream_resume(stream);
    tls->done(stream, STATUS_OK, NULL);
}

static void fail(struct net_tls *tls, enum status status, const char *why) {
    tls->state = status == STATUS_SYNTAX ? TLS_PLAIN : TLS_FAILED;
    tls->error = EPROTO;
    tls->done(tls->stream, status, why);
}

/* Runs the next step with what came; until it is done nothing is read. */
static void step(struct net_tls *tls) {
    enum status status = crypto_pool_run(tls->stream->loop, CRYPTO_HANDSHAKES, &tls->job);
    if (status == STATUS_OK) {
        tls->is_working = true;
        net_stream_pause(tls->stream);
    } else {
        fail(tls, status, "too many TLS handshakes wait");
    }
}

static bool is_tls(const struct net_tls *tls) {
    return tls->in.bytes[0] == MBEDTLS_SSL_MSG_HANDSHAKE ||
           tls->in.bytes[0] == MBEDTLS_SSL_MSG_ALERT;
}

/* Bytes of whole records at the start of `in`; a header that mbedTLS will refuse counts as one. */
static size_t count_whole(const struct buffer *in) {
    size_t at = 0;
    while (in->size - at >= HEADER_SIZE) {
        const uint8_t *header = (const uint8_t *)in->bytes + at;
        size_t size = HEADER_SIZE + ((size_t)header[3] << 8 | header[4]);
        if (size > RECORD_MAX) {
            return in->size;
        }
        if (in->size - at < size) {
            break;
        }
        at += size;
    }
    return at;
}

/* One record's worth at a time, so that a peer in a hurry fills nothing. */
static void gather(struct net_tls *tls, int fd) {
    if (buffer_reserve(&tls->in, RECORD_MAX) != STATUS_OK) {
        fail(tls, STATUS_NO_MEMORY, "out of memory");
        return;
    }
    ssize_t got = transfer__recv(fd, tls->in.bytes + tls->in.size, RECORD_MAX);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        fail(tls, STATUS_CLOSED, "the peer has gone during the TLS handshake");
        return;
    }
    tls->in.size += (size_t)got;
    if (!tls->has_heard && !is_tls(tls)) {
        fail(tls, STATUS_SYNTAX, "the peer does not speak TLS");
        return;
    }
    tls->has_heard = true;
    tls->whole_bytes = count_whole(&tls->in);
    if (tls->whole_bytes) {
        step(tls);
    }
}

static int take_input(void *context, unsigned char *bytes, size_t size) {
    struct net_tls *tls = context;
    size_t taken = tls->whole_bytes < size ? tls->whole_bytes : size;
    if (taken == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    memcpy(bytes, tls->in.bytes, taken);
    buffer_consume(&tls->in, taken);
    tls->whole_bytes -= taken;
    return (int)taken;
}

static int put_output(void *context, const unsigned char *bytes, size_t size) {
    struct net_tls *tls = context;
    struct slice part = {(const char *)bytes, size};
    return buffer_append(&tls->out, part) == STATUS_OK ? (int)size : MBEDTLS_ERR_SSL_ALLOC_FAILED;
}

/* The end of the peer's chain is depth n, its own certificate depth 0, which comes last. */
static int on_certificate(void *context, mbedtls_x509_crt *certificate, int depth,
                          uint32_t *flags) {
    struct net_tls *tls = context;
    if (depth == 0 && tls->ip_size) {
        bool is_for_us = false;
        for (const mbedtls_x509_sequence *at = &certificate->subject_alt_names; at; at = at->next) {
            is_for_us = is_for_us || (at->buf.tag == TAG_ADDRESS && at->buf.len == tls->ip_size &&
                                      memcmp(at->buf.p, tls->ip, tls->ip_size) == 0);
        }
        *flags |= is_for_us ? 0 : MBEDTLS_X509_BADCERT_CN_MISMATCH;
    }
    if (depth == 0) {
        const mbedtls_x509_buf *issuer = &certificate->issuer_raw,
                               *subject = &certificate->subject_raw;
        tls->is_self_signed =
            issuer->len == subject->len && memcmp(issuer->p, subject->p, issuer->len) == 0;
    }
    tls->verify_flags |= *flags;
    return 0;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static int recv_raw(void *context, unsigned char *bytes, size_t size) {
    struct net_tls *tls = context;
    size_t taken = tls->raw.size < size ? tls->raw.size : size;
    if (taken == 0) {
        return MBEDTLS_ERR_SSL_WANT_READ;
    }
    memcpy(bytes, tls->raw.bytes, taken);
    tls->raw.bytes += taken;
    tls->raw.size -= taken;
    return (int)taken;
}

/* mbedTLS is never told to wait: it may flush a waiting record during a read, and then nobody could
 * tell whether a repeated write is the same one. What the socket does not take waits in `out`. */
static int send_raw(void *context, const unsigned char *bytes, size_t size) {
    struct net_tls *tls = context;
    ssize_t sent = tls->out.size ? 0 : transfer__send(tls->stream->source.fd, bytes, size);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        tls->error = errno;
        return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    struct slice rest = {(const char *)bytes + taken, size - taken};
    if (rest.size && buffer_append(&tls->out, rest) != STATUS_OK) {
        return MBEDTLS_ERR_SSL_ALLOC_FAILED;
    }
    if (rest.size) {
        output__wait_writable(tls->stream);
    }
    return (int)size;
}

/* What a failure of mbedTLS means for the stream. */
static void end_reading(struct net_tls *tls, int code) {
    if (code == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY) {
        tls->state = TLS_ENDED;
        return;
    }
    tls->state = TLS_FAILED;
    if (!tls->error) {
        tls->error = code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE ? ECONNRESET
                     : code == MBEDTLS_ERR_SSL_ALLOC_FAILED      ? ENOMEM
                                                                 : EPROTO;
    }
}

/* Everything that tls->raw completes. No more comes out than went in, and what mbedTLS held. A read
 * of 0 bytes is not the end, which recv_raw() never tells of, but an empty record: peers may send
 * them (RFC 5246 section 6.2.1). mbedTLS refuses the fourth in a row. */
static size_t decrypt(struct net_tls *tls, uint8_t *out, size_t room) {
    size_t got = 0;
    while (tls->state == TLS_OPEN) {
        size_t before = tls->raw.size;
        assert(got < room); /* else 0 would mean nothing */
        int code = mbedtls_ssl_read(&tls->ssl, out + got, room - got);
        if (code >= 0) {
            got += (size_t)code;
            if (tls->raw.size == 0 && !mbedtls_ssl_check_pending(&tls->ssl)) {
                break; /* asking again would only cost time */
            }
        } else if (tls_version__is_ticket(code)) {
            if (tls->memory) {
                tls_memory__keep(tls->memory, tls->config, tls->name, &tls->ssl);
            }
        } else if (code != MBEDTLS_ERR_SSL_WANT_READ) {
            end_reading(tls, code);
        } else if (tls->raw.size == before) {
            break;
        }
    }
    return got;
}

/* The result of a read in a state that gives no more bytes. */
static ssize_t ended(const struct net_tls *tls) {
    if (tls->state == TLS_ENDED) {
        return 0;
    }
    errno = tls->state == TLS_OPEN ? EAGAIN : tls->error;
    return -1;
}

static ssize_t recv_open(struct net_tls *tls, int fd, uint8_t *bytes, size_t size) {
    size_t room = (size - RECORD_MAX) / 2, got = 0;
    if (tls->layer.has_input) {
        tls->layer.has_input = false;
        tls->raw = (struct net_bytes){(uint8_t *)tls->in.bytes, tls->in.size};
        got = decrypt(tls, bytes, size);
        buffer_deinit(&tls->in);
        buffer_init(&tls->in, 0);
    } else if (tls->state == TLS_OPEN) {
        uint8_t *raw = bytes + size - room;
        ssize_t count = transfer__recv(fd, raw, room);
        if (count < 0) {
            return -1;
        }
        if (count == 0) { /* an end without close_notify may be an attacker's */
            tls->state = TLS_FAILED;
            tls->error = ECONNRESET;
        }
        tls->raw = (struct net_bytes){raw, (size_t)count};
        got = decrypt(tls, bytes, size - room);
    }
    if (got == 0) {
        return ended(tls);
    }
    if (tls->state != TLS_OPEN) { /* first the bytes, then the end */
        tls->layer.has_input = true;
        stream__mark(tls->stream);
    }
    return (ssize_t)got;
}

static ssize_t layer_recv(struct net_layer *layer, int fd, void *bytes, size_t size) {
    struct net_tls *tls = CONTAINER_OF(layer, struct net_tls, layer);
    assert(size > 3 * RECORD_MAX);
    if (tls->state == TLS_SHAKING) {
        if (!tls->is_working) {
            gather(tls, fd);
        }
        errno = EAGAIN; /* what happened was told through `done` */
        return -1;
    }
    return recv_open(tls, fd, bytes, size);
}

/* False: the socket takes no more (EAGAIN), or failed. */
static bool flush_out(struct net_tls *tls, int fd) {
    while (tls->out.size) {
        ssize_t sent = transfer__send(fd, tls->out.bytes, tls->out.size);
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        buffer_consume(&tls->out, sent > 0 ? (size_t)sent : 0);
    }
    if (tls->state != TLS_SHAKING && tls->out.capacity) {
        buffer_deinit(&tls->out);
        buffer_init(&tls->out, HANDSHAKE_MAX);
    }
    return true;
}

/* Record by record, as long as the socket takes them whole. */
static ssize_t send_records(struct net_tls *tls, const uint8_t *bytes, size_t size) {
    size_t sent = 0;
    while (sent < size && tls->out.size == 0) {
        int code = mbedtls_ssl_write(&tls->ssl, bytes + sent, size - sent);
        if (code <= 0) {
            errno = tls->error ? tls->error : EPROTO;
            return -1;
        }
        sent += (size_t)code;
    }
    return (ssize_t)sent;
}

static ssize_t layer_send(struct net_layer *layer, int fd, const void *bytes, size_t size) {
    struct net_tls *tls = CONTAINER_OF(layer, struct net_tls, layer);
    if (tls->is_working) {
        errno = ENOTCONN;
        return size ? -1 : 0;
    }
    if (!flush_out(tls, fd)) {
        return -1;
    }
    switch (tls->state) {
        case TLS_OPEN:
        case TLS_ENDED:
            return send_records(tls, bytes, size);
        case TLS_PLAIN:
            return size ? transfer__send(fd, bytes, size) : 0;
        default: /* nobody may write yet, or any more */
            errno = tls->error ? tls->error : ENOTCONN;
            return size ? -1 : 0;
    }
}

static bool layer_shutdown(struct net_layer *layer, int fd) {
    struct net_tls *tls = CONTAINER_OF(layer, struct net_tls, layer);
    if (tls->is_working) {
        return true;
    }
    if ((tls->state == TLS_OPEN || tls->state == TLS_ENDED) && !tls->has_said_goodbye) {
        tls->has_said_goodbye = true;
        (void)mbedtls_ssl_close_notify(&tls->ssl); /* a peer that is gone misses nothing */
    }
    return flush_out(tls, fd) || errno != EAGAIN;
}

static void layer_free(struct net_layer *layer) {
    struct net_tls *tls = CONTAINER_OF(layer, struct net_tls, layer);
    tls->stream = NULL;
    if (!tls->is_working) {
        destroy(tls);
    }
}

static void destroy(struct net_tls *tls) {
    mbedtls_ssl_free(&tls->ssl);
    net_tls_memory_unref(tls->memory);
    net_tls_config_unref(tls->config);
    buffer_deinit(&tls->in);
    buffer_deinit(&tls->out);
    free(tls);
}

const char *net_tls_version(const struct net_stream *stream) {
    if (!stream->layer) {
        return NULL;
    }
    const struct net_tls *tls = CONTAINER_OF(stream->layer, struct net_tls, layer);
    return tls->state == TLS_SHAKING ? NULL : mbedtls_ssl_get_version(&tls->ssl);
}
