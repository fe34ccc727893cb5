/* The gates before a task: who may ask (hosts, origins), and with which credentials. What would
 * take long goes to the crypto pool, and the request waits. */
#ifndef BELLWIRE_TRIGGERS_GATE_H
#define BELLWIRE_TRIGGERS_GATE_H

#include "access/fields.h"
#include "triggers/triggers.h"

/* ---- `auth` of a trigger, in place of the server's ------------------------------------------- */
struct trigger_hmac {
    struct access_signature signature; /* its secret is the value, once prepared */
    struct slice name;                 /* of the secret; bytes NULL: no hmac */
    const struct expr_template *text;  /* what is signed; NULL: the raw body */
};
struct trigger_auth {
    struct access_keys keys;
    const struct access_auth *ways; /* NULL: none but hmac */
    bool is_given;
    struct trigger_hmac hmac;
};
/* The tables of `auth`: with `hmac` for requests, whose body can be signed; a kind without one has
 * FIELD_STRUCT(struct ..., auth.keys, "auth", access_auth_fields). */
extern const struct config_field trigger_auth_fields[];
/* `offset` is that of the struct trigger_auth in the arguments; its key must be "auth". */
bool trigger__prepare_auth(struct prepare *prepare, struct trigger_auth *auth, size_t offset);

/* ---- the gates of a worker ------------------------------------------------------------------- */
struct triggers;
struct gate *gate__new(void); /* NULL without memory */
void gate__free(struct gate *gate);
/* Gives up what the pool still works on, before the servers go. */
void gate__end(struct gate *gate);

/* Host, origin, peer: false when `out` holds an answer. */
bool gate__access(struct triggers *triggers, struct server_request *request,
                  struct server_route *out);
/* False, and `out` holds the answer, when gate__access() found that a browser asks ahead of its
 * user. */
bool gate__speculation(const struct triggers *triggers, const struct server_request *request,
                       struct server_route *out);
/* Credentials of a request or an upgrade: those of `own` (NULL or not given: the server's). Fills
 * in the user, a refusal, or pending. The manager needs none: it is who may change them. */
void gate__auth(struct triggers *triggers, struct server_request *request,
                const struct trigger_auth *own, struct server_route *out);
/* What the request had to show that was refused last, for `why`; until the next call. */
struct slice gate__seen(const struct triggers *triggers);
/* The signature of a whole request. False: it was answered, or is called for again later. */
bool gate__signature(struct triggers *triggers, struct server_request *request,
                     const struct trigger_auth *own);
/* While a whole request is matched anew, nothing can be left pending. */
void gate__set_late(struct triggers *triggers, bool is_late);

#endif
