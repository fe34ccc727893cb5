/* Why a handshake failed, in words. */
#include <mbedtls/error.h>
#include <stdio.h>
#include "net/tls_inside.h"

struct word {
    uint32_t code;
    const char *text;
};
static const struct word verify_words[] = {
    {MBEDTLS_X509_BADCERT_EXPIRED, "it has expired"},
    {MBEDTLS_X509_BADCERT_FUTURE, "it is not valid yet"},
    {MBEDTLS_X509_BADCERT_REVOKED, "it was revoked"},
    {MBEDTLS_X509_BADCERT_MISSING, "there is none"},
    {MBEDTLS_X509_BADCERT_KEY_USAGE | MBEDTLS_X509_BADCERT_EXT_KEY_USAGE |
         MBEDTLS_X509_BADCERT_NS_CERT_TYPE,
     "it was made for another use"},
    {MBEDTLS_X509_BADCERT_BAD_MD | MBEDTLS_X509_BADCERT_BAD_PK | MBEDTLS_X509_BADCERT_BAD_KEY,
     "its key or signature is too weak"},
};
static const struct word alert_words[] = {
    /* RFC 8446 section 6 */
    {0, "close notify"},
    {10, "unexpected message"},
    {20, "bad record"},
    {22, "record overflow"},
    {40, "handshake failure"},
    {42, "bad certificate"},
    {43, "unsupported certificate"},
    {44, "certificate revoked"},
    {45, "certificate expired"},
    {46, "certificate unknown"},
    {47, "illegal parameter"},
    {48, "unknown authority"},
    {49, "access denied"},
    {50, "decode error"},
    {51, "decrypt error"},
    {70, "protocol version"},
    {71, "insufficient security"},
    {80, "internal error"},
    {86, "inappropriate fallback"},
    {109, "missing extension"},
    {112, "unrecognized name"},
    {116, "certificate required"},
    {120, "no application protocol"},
};

static enum status tell_certificate(const struct tls_failure *failure, char out[TLS_WHY_MAX]);
static enum status tell_alert(unsigned alert, char out[TLS_WHY_MAX]);

enum status tls_text__failure(const struct tls_failure *failure, char out[TLS_WHY_MAX]) {
    char text[160];
    switch (failure->code) {
        case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
            return tell_certificate(failure, out);
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
            (void)snprintf(out, TLS_WHY_MAX, "the client showed no certificate"); /* fits */
            return STATUS_DENIED;
        case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
            return tell_alert(failure->alert, out);
        case MBEDTLS_ERR_SSL_ALLOC_FAILED:
            (void)snprintf(out, TLS_WHY_MAX, "out of memory"); /* fits */
            return STATUS_NO_MEMORY;
        default:
            mbedtls_strerror(failure->code, text, sizeof(text));
            (void)snprintf(out, TLS_WHY_MAX, "the TLS handshake failed: %s", text); /* fits */
            return STATUS_PROTOCOL;
    }
}

/* One after the other into `out`, which has room for all of them. */
static void add(char *out, const char *text) {
    size_t size = strlen(out);
    (void)snprintf(out + size, TLS_WHY_MAX - size, "%s%s", size ? ", " : "", text);
}

static enum status tell_certificate(const struct tls_failure *failure, char out[TLS_WHY_MAX]) {
    char reasons[TLS_WHY_MAX] = "", name[TLS_NAME_MAX + 32];
    uint32_t flags = failure->verify_flags;
    for (size_t i = 0; i < ARRAY_SIZE(verify_words); i++) {
        if (flags & verify_words[i].code) {
            add(reasons, verify_words[i].text);
        }
    }
    if (flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) {
        (void)snprintf(name, sizeof(name), "it is not for %s", failure->name); /* fits */
        add(reasons, name);
    }
    if (flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) {
        add(reasons,
            failure->is_self_signed ? "it is self-signed" : "it comes from an unknown authority");
    }
    (void)snprintf(out, TLS_WHY_MAX, "the certificate is refused: %.480s", /* cut is fine */
                   reasons[0] ? reasons : "it cannot be verified");
    return STATUS_DENIED;
}

static enum status tell_alert(unsigned alert, char out[TLS_WHY_MAX]) {
    const char *text = "unknown";
    for (size_t i = 0; i < ARRAY_SIZE(alert_words); i++) {
        if (alert_words[i].code == alert) {
            text = alert_words[i].text;
        }
    }
    (void)snprintf(out, TLS_WHY_MAX, "the peer ended the TLS handshake with alert %u (%s)", alert,
                   text); /* fits */
    return STATUS_PROTOCOL;
}
