/* The inside of http-response. Private to actions/. */
#ifndef BELLWIRE_ACTIONS_HTTP_H
#define BELLWIRE_ACTIONS_HTTP_H

#include "actions/action.h"

/* An answer but for its body; in the step's scratch. */
struct reply {
    struct server_response response;
    struct http_header *headers; /* response.headers, with room for `capacity` */
    size_t capacity;
};
void reply__add(struct reply *reply, const char *name, struct slice value); /* room was counted */
/* Answers, and says what came of it. */
enum step_state reply__send(struct step *step, struct server_request *request,
                            const struct reply *reply);
enum step_state reply__result(struct step *step, const struct reply *reply, enum status status);

/* ---- html (http_html.c) --------------------------------------------------------------------- */
/* Whether each hole stands where escaping protects; false after reporting. */
bool html__check(struct prepare *prepare, size_t offset, const struct expr_template *tpl);

/* ---- cookies (http_cookies.c) --------------------------------------------------------------- */
/* The mapping as written (it says what a text is), and with its holes filled in. */
bool cookies__check(struct prepare *prepare, size_t offset, const struct config_node *node);
struct cookies {
    const struct config_node *node;
    struct value filled;
    bool is_secure; /* unless said otherwise */
};
/* Adds a Set-Cookie for each. False: the step has failed. */
bool cookies__add(struct step *step, const struct cookies *cookies, struct reply *reply);

/* ---- files (http_file.c) -------------------------------------------------------------------- */
#define REPLY_FILE_HEADERS 3 /* what a file adds at most */
struct reply_file {
    struct slice root; /* size 0: none */
    struct slice path; /* below the root, else absolute */
};
/* Takes over from `reply`, of which it keeps a copy. */
enum step_state reply__file(struct step *step, const struct reply *reply,
                            const struct reply_file *file);
void reply__file_cancel(struct step *step);

#endif
