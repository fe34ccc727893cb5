/* Tokens, users, query parameters: from files to an answer. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "access/fields.h"
#include "tests/unit/access/access_test.h"

struct fixture {
    struct arena arena, scratch;
    struct config_diag diag;
    struct access_cache *cache;
    struct access_password password; /* that was asked for last */
    char folder[32];
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    arena_init(&f->arena, 8192, 0);
    arena_init(&f->scratch, 8192, 0);
    config_diag_init(&f->diag, &f->arena);
    f->cache = access_cache_new();
    snprintf(f->folder, sizeof f->folder, "/tmp/access-XXXXXX");
    *state = f;
    return f->cache && mkdtemp(f->folder) ? 0 : -1;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    static const char *const names[] = {"tokens", "users"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        (void)unlink(arena_printf(&f->arena, "%s/%s", f->folder, names[i])); /* maybe not there */
    assert_int_equal(rmdir(f->folder), 0);
    access_cache_free(f->cache);
    arena_deinit(&f->scratch);
    arena_deinit(&f->arena);
    free(f);
    return 0;
}

static struct slice put(struct fixture *f, const char *name, const char *text) {
    const char *path = arena_printf(&f->arena, "%s/%s", f->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return slice_of(path);
}

static const struct access_auth *load(struct fixture *f, const struct access_keys *keys) {
    const struct access_auth *auth = NULL, *copy = NULL;
    assert_true(access_auth_load(keys, NULL, &f->arena, &f->diag, &auth));
    assert_non_null(auth);
    assert_int_equal(access_auth_copy(auth, &f->arena, &copy), STATUS_OK);
    return copy;
}

static enum access_grant try(struct fixture *f, const struct access_auth *auth, const char *target,
                             const char *credentials, struct slice *user) {
    struct asked *asked = arena_alloc(&f->arena, sizeof *asked);
    const char *line = arena_printf(&f->arena, "GET %s HTTP/1.1", target);
    const char *rest = arena_printf(&f->arena, "Host: a\r\n%s", credentials);
    const struct access_request request = {ask(asked, &f->arena, line, rest), f->cache, &f->scratch,
                                           1000};
    return access_authenticate(auth, &request, &f->password, user);
}

/* proves S17 */
static void bearer_tokens_have_labels(void **state) {
    struct fixture *f = *state;
    const struct access_auth *auth =
        load(f, &(struct access_keys){
                    .bearer.path = put(f, "tokens",
                                       "# deployers\n\nfirst\n  second  Ada L. \r\n"
                                       "sha256:"
                                       "2C26B46B68FFC68FF99B453C1D30413413422D706483BFA0F98A5E88626"
                                       "6E7AE hashed\n")});
    static const struct {
        const char *credentials, *user; /* NULL: denied */
    } cases[] = {{"Authorization: Bearer first\r\n", "token-3"},
                 {"authorization: bearer  second\r\n", "Ada L."},
                 {"Authorization: Bearer foo\r\n", "hashed"},
                 {"Authorization: Bearer third\r\n", NULL},
                 {"Authorization: Bearer firs\r\n", NULL},
                 {"Authorization: Bearer first Ada\r\n", NULL},
                 {"Authorization: Bearer sha256:2C26B46B68FFC68FF99B453C1D30413413422D706483BFA0F98"
                  "A5E886266E7AE\r\n",
                  NULL},
                 {"Authorization: Bearer # deployers\r\n", NULL},
                 {"Authorization: Bearer \r\n", NULL},
                 {"Authorization: Bearer\r\n", NULL},
                 {"Authorization: first\r\n", NULL},
                 {"Authorization: Basic Zmlyc3Q6\r\n", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice user = SLICE_NONE;
        enum access_grant grant = try(f, auth, "/?token=first", cases[i].credentials, &user);
        assert_int_equal(grant, cases[i].user ? ACCESS_GRANTED : ACCESS_DENIED);
        if (cases[i].user)
            assert_slice(user, cases[i].user);
    }
    struct http_header headers[ACCESS_HEADERS_MAX];
    assert_int_equal(access_challenges(auth, headers), 1);
    assert_slice(headers[0].name, "WWW-Authenticate");
    assert_slice(headers[0].value, "Bearer realm=\"bellwire\"");
}

/* proves S17 */
static void a_query_parameter_holds_a_token(void **state) {
    struct fixture *f = *state;
    const struct access_auth *auth = load(
        f,
        &(struct access_keys){.query = {.name = SLICE("key"), .path = put(f, "tokens", "a+b c")}});
    static const struct {
        const char *target;
        enum access_grant grant;
    } cases[] = {{"/?key=a%2Bb", ACCESS_GRANTED}, {"/?x=1&key=a%2Bb&y=2", ACCESS_GRANTED},
                 {"/?key=a+b", ACCESS_DENIED},    {"/?token=a%2Bb", ACCESS_DENIED},
                 {"/?key=", ACCESS_DENIED},       {"/", ACCESS_DENIED}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct slice user = SLICE_NONE;
        assert_int_equal(try(f, auth, cases[i].target, "", &user), cases[i].grant);
        if (cases[i].grant == ACCESS_GRANTED)
            assert_slice(user, "c");
    }
}

/* The hashes are of "secret" and "other", by crypt(3) with SHA-256 at its least rounds. */
#define ADA "ada:$5$rounds=1000$saltstring$AH5PD0i.riCRu4BNDy9v7OPV7u3dfLBApcXI6khquVA\n"

/* proves S17 */
static void passwords_are_asked_once_and_remembered(void **state) {
    struct fixture *f = *state;
    struct slice user = SLICE_NONE;
    const struct access_auth *auth =
        load(f, &(struct access_keys){.basic.path = put(f, "users", ADA)});
    const char *right = "Authorization: Basic YWRhOnNlY3JldA==\r\n";  /* ada:secret */
    const char *wrong = "Authorization: Basic YWRhOnNlY3JlVA==\r\n";  /* ada:secreT */
    const char *nobody = "Authorization: Basic Ym9iOnNlY3JldA==\r\n"; /* bob:secret */
    assert_int_equal(try(f, auth, "/", wrong, &user), ACCESS_ASK);
    assert_false(access_password_fits(&f->password));
    assert_int_equal(try(f, auth, "/", nobody, &user), ACCESS_ASK);
    assert_false(access_password_fits(&f->password));
    assert_int_equal(try(f, auth, "/", right, &user), ACCESS_ASK);
    assert_true(access_password_fits(&f->password));
    access_cache_add(f->cache, &f->password, 1000);
    assert_int_equal(try(f, auth, "/", right, &user), ACCESS_GRANTED);
    assert_slice(user, "ada");
    assert_int_equal(try(f, auth, "/", wrong, &user), ACCESS_ASK);
    assert_int_equal(try(f, auth, "/", nobody, &user), ACCESS_ASK);
    const char *bad[] = {
        "Authorization: Basic YWRh\r\n",     "Authorization: Basic !!!!\r\n",
        "Authorization: Basic \r\n",         "Authorization: Bearer YWRhOnNlY3JldA==\r\n",
        "Authorization: Basic YWRhOgA=\r\n", ""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(try(f, auth, "/", bad[i], &user), ACCESS_DENIED);
}

/* proves S17 */
static void a_remembered_password_is_forgotten_in_time_and_with_its_hash(void **state) {
    struct fixture *f = *state;
    struct slice user = SLICE_NONE;
    const char *right = "Authorization: Basic YWRhOnNlY3JldA==\r\n";
    const struct access_auth *auth =
        load(f, &(struct access_keys){.basic.path = put(f, "users", ADA)});
    const struct access_auth *again =
        load(f, &(struct access_keys){.basic.path = put(f, "users", ADA "bob:$1$a$b\n")});
    const struct access_auth *changed = load(
        f, &(struct access_keys){.basic.path = put(f, "users", "ada:$5$rounds=1000$other$x\n")});
    assert_int_equal(try(f, auth, "/", right, &user), ACCESS_ASK);
    access_cache_add(f->cache, &f->password, 1000);
    assert_int_equal(try(f, again, "/", right, &user), ACCESS_GRANTED);
    assert_int_equal(try(f, changed, "/", right, &user), ACCESS_ASK);
    assert_int_equal(try(f, auth, "/", right, &user), ACCESS_GRANTED);
    struct asked asked;
    const char *rest = arena_printf(&f->arena, "Host: a\r\n%s", right);
    const struct access_request late = {ask(&asked, &f->arena, "GET / HTTP/1.1", rest), f->cache,
                                        &f->scratch, 1000 + 5 * 60 * 1000};
    assert_int_equal(access_authenticate(auth, &late, &f->password, &user), ACCESS_ASK);
}

/* proves S17 */
static void any_way_in_suffices(void **state) {
    struct fixture *f = *state;
    struct slice user = SLICE_NONE, tokens = put(f, "tokens", "t1 one\n");
    const struct access_auth *auth =
        load(f, &(struct access_keys){.bearer.path = tokens,
                                      .basic.path = put(f, "users", ADA),
                                      .query = {.name = SLICE("t"), .path = tokens}});
    struct http_header headers[ACCESS_HEADERS_MAX];
    assert_int_equal(try(f, auth, "/", "Authorization: Bearer t1\r\n", &user), ACCESS_GRANTED);
    assert_int_equal(try(f, auth, "/?t=t1", "Authorization: Bearer bad\r\n", &user),
                     ACCESS_GRANTED);
    assert_int_equal(try(f, auth, "/", "Authorization: Basic YWRhOnNlY3JldA==\r\n", &user),
                     ACCESS_ASK);
    assert_int_equal(try(f, auth, "/?t=no", "Authorization: Bearer no\r\n", &user), ACCESS_DENIED);
    assert_int_equal(access_challenges(auth, headers), 3);
}

static void expect_error(struct fixture *f, const struct access_keys *keys, const char *ending) {
    const struct access_auth *auth;
    config_diag_init(&f->diag, &f->arena);
    assert_false(access_auth_load(keys, NULL, &f->arena, &f->diag, &auth));
    assert_int_equal(f->diag.count, 1);
    if (!slice_ends_with(slice_of(f->diag.messages[0].text), slice_of(ending)))
        fail_msg("got \"%s\", expected \"%s\"", f->diag.messages[0].text, ending);
}

/* proves S17 */
static void a_file_that_cannot_be_used_is_named(void **state) {
    struct fixture *f = *state;
    struct access_keys keys = {.bearer.path = SLICE("/nowhere/tokens")};
    expect_error(f, &keys, "cannot read /nowhere/tokens: No such file or directory");
    keys.bearer.path = slice_of(f->folder);
    expect_error(f, &keys, ": Is a directory");
    keys.bearer.path = put(f, "tokens", "a\nsha256:12 x\n");
    expect_error(f, &keys, "/tokens:2: sha256: must be followed by 64 hexadecimal digits");
    keys = (struct access_keys){.basic.path = put(f, "users", "ada:secret\n")};
    expect_error(f, &keys, "htpasswd -B writes one that it knows");
    keys.basic.path = put(f, "users", "ada\n");
    expect_error(f, &keys, "/users:1: a user is written name:hash");
    keys.basic.path = put(f, "users", ADA ADA);
    expect_error(f, &keys, "/users:2: this name stands in the file twice");
    const struct access_auth *auth;
    keys = (struct access_keys){.query.name = SLICE("token")};
    assert_true(access_auth_load(&keys, NULL, &f->arena, &f->diag, &auth));
    assert_null(auth);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(bearer_tokens_have_labels),
        TEST(a_query_parameter_holds_a_token),
        TEST(passwords_are_asked_once_and_remembered),
        TEST(a_remembered_password_is_forgotten_in_time_and_with_its_hash),
        TEST(any_way_in_suffices),
        TEST(a_file_that_cannot_be_used_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
