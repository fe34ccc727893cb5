/* The methods of requests: those that llhttp 8.1 knows for HTTP. A part of http.h. */
#ifndef BELLWIRE_HTTP_METHODS_H
#define BELLWIRE_HTTP_METHODS_H

#include "base/base.h"

#define HTTP_METHODS(X)                                                                            \
    X(DELETE, "DELETE")                                                                            \
    X(GET, "GET")                                                                                  \
    X(HEAD, "HEAD")                                                                                \
    X(POST, "POST")                                                                                \
    X(PUT, "PUT")                                                                                  \
    X(CONNECT, "CONNECT")                                                                          \
    X(OPTIONS, "OPTIONS")                                                                          \
    X(TRACE, "TRACE")                                                                              \
    X(COPY, "COPY")                                                                                \
    X(LOCK, "LOCK")                                                                                \
    X(MKCOL, "MKCOL")                                                                              \
    X(MOVE, "MOVE")                                                                                \
    X(PROPFIND, "PROPFIND")                                                                        \
    X(PROPPATCH, "PROPPATCH")                                                                      \
    X(SEARCH, "SEARCH")                                                                            \
    X(UNLOCK, "UNLOCK")                                                                            \
    X(BIND, "BIND")                                                                                \
    X(REBIND, "REBIND")                                                                            \
    X(UNBIND, "UNBIND")                                                                            \
    X(ACL, "ACL")                                                                                  \
    X(REPORT, "REPORT")                                                                            \
    X(MKACTIVITY, "MKACTIVITY")                                                                    \
    X(CHECKOUT, "CHECKOUT")                                                                        \
    X(MERGE, "MERGE")                                                                              \
    X(M_SEARCH, "M-SEARCH")                                                                        \
    X(NOTIFY, "NOTIFY")                                                                            \
    X(SUBSCRIBE, "SUBSCRIBE")                                                                      \
    X(UNSUBSCRIBE, "UNSUBSCRIBE")                                                                  \
    X(PATCH, "PATCH")                                                                              \
    X(PURGE, "PURGE")                                                                              \
    X(MKCALENDAR, "MKCALENDAR")                                                                    \
    X(LINK, "LINK")                                                                                \
    X(UNLINK, "UNLINK")                                                                            \
    X(SOURCE, "SOURCE")

enum http_method {
#define X(name, text) HTTP_METHOD_##name,
    HTTP_METHODS(X)
#undef X
        HTTP_METHOD_COUNT
};
/* Case-sensitive. STATUS_NOT_FOUND. */
enum status http_method_parse(struct slice text, enum http_method *out);
struct slice http_method_text(enum http_method method);
/* A set of methods is a bit mask; 0 stands for any method. */
#define HTTP_METHOD_BIT(method) (UINT64_C(1) << (method))
#define HTTP_ALLOW_MAX          512
/* `GET, HEAD, POST` into `out` of HTTP_ALLOW_MAX, for an Allow header. */
struct slice http_methods_format(uint64_t methods, char *out);

#endif
