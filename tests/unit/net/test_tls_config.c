/* Certificates and keys: what a configuration refuses, what a handshake refuses and why, and which
 * sessions are resumed. */
#include "tests/unit/net/tls_lab.h"

/* ---- files ---------------------------------------------------------------------------------- */

static void put(const struct lab *lab, const char *name, const char *text) {
    FILE *file = fopen(lab_path(lab, name, "pem"), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_refused(const struct lab *lab, const char *certificate, const char *key,
                           enum net_tls_part part, const char *reason) {
    struct net_tls_fault fault = {.text = ""};
    const struct net_tls_options options = {
        .is_server = true, .certificate = certificate, .key = key};
    struct net_tls_config *config = net_tls_config_new(&options, &fault);
    (void)lab;
    assert_null(config);
    assert_int_equal(fault.part, part);
    assert_non_null(strstr(fault.text, part == NET_TLS_KEY ? key : certificate));
    if (!strstr(fault.text, reason)) {
        fail_msg("%s does not say %s", fault.text, reason);
    }
}

/* proves S3 */
static void a_missing_certificate_or_key_is_named(void **state) {
    struct lab *lab = *state;
    assert_refused(lab, lab_path(lab, "none", "pem"), lab_path(lab, "server", "key"),
                   NET_TLS_CERTIFICATE, "No such file or directory");
    assert_refused(lab, lab_path(lab, "server", "pem"), lab_path(lab, "none", "key"), NET_TLS_KEY,
                   "No such file or directory");
}

static void a_folder_or_a_pipe_is_no_certificate(void **state) {
    struct lab *lab = *state;
    char command[160];
    (void)snprintf(command, sizeof(command), "mkfifo %s", lab_path(lab, "pipe", "pem"));
    assert_int_equal(system(command), 0);
    assert_refused(lab, lab->folder, lab_path(lab, "server", "key"), NET_TLS_CERTIFICATE,
                   "Is a directory");
    assert_refused(lab, lab_path(lab, "pipe", "pem"), lab_path(lab, "server", "key"),
                   NET_TLS_CERTIFICATE, "");
}

static void files_without_pem_are_refused(void **state) {
    struct lab *lab = *state;
    put(lab, "empty", "");
    put(lab, "text", "certificate: none\n");
    const char *key = lab_path(lab, "server", "key"), *good = lab_path(lab, "server", "pem");
    assert_refused(lab, lab_path(lab, "empty", "pem"), key, NET_TLS_CERTIFICATE,
                   "holds no certificate in PEM");
    assert_refused(lab, lab_path(lab, "text", "pem"), key, NET_TLS_CERTIFICATE,
                   "holds no certificate in PEM");
    assert_refused(lab, key, key, NET_TLS_CERTIFICATE, "holds no certificate in PEM");
    assert_refused(lab, good, good, NET_TLS_KEY, "holds no private key in PEM");
}

static void damaged_pem_is_refused(void **state) {
    struct lab *lab = *state;
    put(lab, "damaged", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    put(lab, "bad-key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n");
    assert_refused(lab, lab_path(lab, "damaged", "pem"), lab_path(lab, "server", "key"),
                   NET_TLS_CERTIFICATE, "");
    assert_refused(lab, lab_path(lab, "server", "pem"), lab_path(lab, "bad-key", "pem"),
                   NET_TLS_KEY, "");
}

/* proves S3 */
static void a_key_of_another_certificate_is_refused(void **state) {
    struct lab *lab = *state;
    assert_refused(lab, lab_path(lab, "server", "pem"), lab_path(lab, "self", "key"), NET_TLS_KEY,
                   "is not the key of the certificate in ");
    assert_refused(lab, lab_path(lab, "rsa", "pem"), lab_path(lab, "self", "key"), NET_TLS_KEY,
                   "is not the key of the certificate in ");
}

static void a_key_with_a_passphrase_is_refused(void **state) {
    struct lab *lab = *state;
    assert_refused(lab, lab_path(lab, "server", "pem"), lab_path(lab, "locked", "key"), NET_TLS_KEY,
                   "passphrase");
}

static void a_store_needs_certificates(void **state) {
    struct lab *lab = *state;
    struct net_tls_fault fault;
    assert_null(net_tls_store_new(lab_path(lab, "none", "pem"), false, &fault));
    assert_int_equal(fault.part, NET_TLS_CA);
    assert_non_null(strstr(fault.text, "none.pem: No such file"));
    assert_null(net_tls_store_new(lab_path(lab, "server", "key"), true, &fault));
    struct net_tls_store *store = net_tls_store_new(lab_path(lab, "ca", "pem"), false, &fault);
    assert_non_null(store);
    net_tls_store_unref(store);
}

/* ---- who is let in -------------------------------------------------------------------------- */

static void shake(struct lab *lab, const struct lab_shake *with) {
    lab_begin(lab, with);
    LAB_UNTIL(lab, (lab->client.answers || lab->client.events[NET_ERROR]) &&
                       (lab->server.answers || lab->server.events[NET_ERROR]));
}

static void assert_accepted(struct lab *lab, const struct lab_shake *with) {
    shake(lab, with);
    if (lab->client.status || lab->server.status) {
        fail_msg("client: %s, server: %s", lab->client.why, lab->server.why);
    }
    lab->server.echoes = true;
    struct slice ping = SLICE("ping");
    assert_int_equal(net_write(&lab->client.stream, &ping, 1), STATUS_OK);
    LAB_UNTIL(lab, lab->client.got.size == 4);
    lab_tear_down((void **)&lab);
    lab_set_up((void **)&lab);
}

static void assert_client_refuses(struct lab *lab, const struct lab_shake *with,
                                  const char *reason) {
    shake(lab, with);
    assert_int_equal(lab->client.status, STATUS_DENIED);
    assert_string_equal(lab->client.why, reason);
    lab_tear_down((void **)&lab);
    lab_set_up((void **)&lab);
}

/* proves C12 S3 */
static void certificates_for_the_name_or_address_are_accepted(void **state) {
    struct lab *lab = *state;
    static const char *const servers[] = {"server", "chain", "rsa", "p384"};
    static const char *const names[] = {"localhost", "LocalHost", "localhost.", "127.0.0.1", "::1"};
    for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
        for (size_t at = 0; at < ARRAY_SIZE(names); at++) {
            assert_accepted(lab, &(struct lab_shake){.server = servers[i],
                                                     .client_authority = "ca",
                                                     .name = names[at]});
        }
    }
    assert_accepted(lab, &(struct lab_shake){.server = "self", .client_authority = "self"});
    assert_accepted(lab, &(struct lab_shake){
                             .server = "wrong", .client_authority = "ca", .name = "example.com"});
    assert_accepted(
        lab, &(struct lab_shake){.server = "wrong", .client_authority = "ca", .name = "192.0.2.1"});
}

/* proves C12 */
static void other_certificates_are_refused_with_the_reason(void **state) {
    struct lab *lab = *state;
    assert_client_refuses(lab, &(struct lab_shake){.server = "self", .client_authority = "ca"},
                          "the certificate is refused: it is self-signed");
    assert_client_refuses(lab, &(struct lab_shake){.client_authority = "self"},
                          "the certificate is refused: it comes from an unknown authority");
    assert_client_refuses(lab, &(struct lab_shake){.server = "expired", .client_authority = "ca"},
                          "the certificate is refused: it has expired");
    assert_client_refuses(lab, &(struct lab_shake){.server = "wrong", .client_authority = "ca"},
                          "the certificate is refused: it is not for localhost");
    assert_client_refuses(
        lab, &(struct lab_shake){.server = "wrong", .client_authority = "ca", .name = "127.0.0.1"},
        "the certificate is refused: it is not for 127.0.0.1");
    assert_client_refuses(lab, &(struct lab_shake){.client_authority = "ca", .name = "127.0.0.2"},
                          "the certificate is refused: it is not for 127.0.0.2");
    assert_client_refuses(lab, &(struct lab_shake){.client_authority = "ca", .name = "::2"},
                          "the certificate is refused: it is not for ::2");
    assert_client_refuses(
        lab,
        &(struct lab_shake){.server = "expired", .client_authority = "self", .name = "example.org"},
        "the certificate is refused: it has expired, it is not for example.org, it comes from an "
        "unknown authority");
}

static void without_a_store_any_certificate_is_accepted(void **state) {
    struct lab *lab = *state;
    assert_accepted(lab, &(struct lab_shake){.server = "self"});
    assert_accepted(lab, &(struct lab_shake){.server = "expired", .name = "example.org"});
    assert_accepted(lab, &(struct lab_shake){.server = "wrong", .name = "127.0.0.1"});
}

/* proves S3 C12 */
static void a_server_can_ask_clients_for_a_certificate(void **state) {
    struct lab *lab = *state;
    assert_accepted(lab, &(struct lab_shake){.server_authority = "ca", .client = "client"});
    assert_accepted(lab, &(struct lab_shake){.server_authority = "stranger", .client = "stranger"});
    /* A client that shows one without being asked does no harm. */
    assert_accepted(lab, &(struct lab_shake){.client = "client"});
}

/* proves S3 */
static void a_client_without_the_right_certificate_is_refused(void **state) {
    struct lab *lab = *state;
    shake(lab, &(struct lab_shake){.server_authority = "ca"});
    assert_int_equal(lab->server.status, STATUS_DENIED);
    assert_string_equal(lab->server.why, "the client showed no certificate");
    lab_tear_down(state);
    lab_set_up(state);
    shake(lab, &(struct lab_shake){.server_authority = "ca", .client = "stranger"});
    assert_int_equal(lab->server.status, STATUS_DENIED);
    assert_string_equal(lab->server.why, "the certificate is refused: it is self-signed");
}

static void a_name_that_is_too_long_is_refused(void **state) {
    struct lab *lab = *state;
    static char name[300];
    struct net_tls_config *config = lab_config(lab, false, NULL, NULL);
    memset(name, 'a', sizeof(name) - 1);
    struct net_tls_target target = {.config = config, .name = slice_of(name)};
    assert_int_equal(net_tls_connect(&lab->client.stream, &target, lab_on_tls), STATUS_LIMIT);
    assert_false(net_stream_is_tls(&lab->client.stream));
    net_tls_config_unref(config);
}

/* ---- resumption ----------------------------------------------------------------------------- */

struct visit {
    struct net_tls_config *server, *client;
    struct net_tls_memory *memory;
    const char *name;
};

/* One connection that says something and ends; then fresh streams. */
static void visit(struct lab *lab, const struct visit *visit) {
    struct net_tls_target target = {
        .config = visit->client, .name = slice_of(visit->name), .memory = visit->memory};
    lab->client.hello = "early";
    lab->server.echoes = true;
    assert_int_equal(net_tls_accept(&lab->server.stream, visit->server, lab_on_tls), STATUS_OK);
    assert_int_equal(net_tls_connect(&lab->client.stream, &target, lab_on_tls), STATUS_OK);
    LAB_UNTIL(lab, lab->client.got.size == 5);
    assert_memory_equal(lab->client.got.bytes, "early", 5);
    lab_tear_down((void **)&lab);
    lab_set_up((void **)&lab);
}

static void a_client_resumes_its_last_session(void **state) {
    struct lab *lab = *state;
    struct visit with = {.server = lab_config(lab, true, "server", NULL),
                         .client = lab_config(lab, false, NULL, "ca"),
                         .memory = net_tls_memory_new(),
                         .name = "localhost"};
    for (unsigned i = 0; i < 5; i++) {
        visit(lab, &with);
        assert_int_equal(net_tls_config_resumed(with.server), i);
    }
    net_tls_memory_unref(with.memory);
    net_tls_config_unref(with.client);
    net_tls_config_unref(with.server);
}

static void a_session_is_not_resumed_under_another_name_or_configuration(void **state) {
    struct lab *lab = *state;
    struct visit with = {.server = lab_config(lab, true, "server", NULL),
                         .client = lab_config(lab, false, NULL, "ca"),
                         .memory = net_tls_memory_new(),
                         .name = "localhost"};
    visit(lab, &with);
    with.name = "127.0.0.1";
    visit(lab, &with);
    assert_int_equal(net_tls_config_resumed(with.server), 0);
    net_tls_config_unref(with.client);
    with.client = lab_config(lab, false, NULL, "ca");
    visit(lab, &with);
    assert_int_equal(net_tls_config_resumed(with.server), 0);
    visit(lab, &with);
    assert_int_equal(net_tls_config_resumed(with.server), 1);
    net_tls_memory_unref(with.memory);
    net_tls_config_unref(with.client);
    net_tls_config_unref(with.server);
}

/* proves S3 */
static void tickets_outlive_a_reload_that_asks_for_the_same(void **state) {
    struct lab *lab = *state;
    struct visit with = {.server = lab_config(lab, true, "server", "ca"),
                         .client = lab_config(lab, false, "client", "ca"),
                         .memory = net_tls_memory_new(),
                         .name = "localhost"};
    visit(lab, &with);
    struct net_tls_config *next = lab_config(lab, true, "chain", "ca");
    net_tls_config_inherit(next, with.server);
    net_tls_config_unref(with.server);
    with.server = next;
    visit(lab, &with);
    assert_int_equal(net_tls_config_resumed(with.server), 1);
    /* Another type of key: a full handshake that succeeds. */
    next = lab_config(lab, true, "rsa", "ca");
    net_tls_config_inherit(next, with.server);
    net_tls_config_unref(with.server);
    with.server = next;
    visit(lab, &with);
    assert_int_equal(net_tls_config_resumed(with.server), 0);
    /* Others are let in now: who was resumed would not be asked again. */
    next = lab_config(lab, true, "rsa", "stranger");
    net_tls_config_inherit(next, with.server);
    assert_int_equal(net_tls_config_resumed(next), 0);
    net_tls_config_unref(with.server);
    with.server = next;
    assert_int_equal(net_tls_accept(&lab->server.stream, with.server, lab_on_tls), STATUS_OK);
    struct net_tls_target target = {
        .config = with.client, .name = SLICE("localhost"), .memory = with.memory};
    assert_int_equal(net_tls_connect(&lab->client.stream, &target, lab_on_tls), STATUS_OK);
    LAB_UNTIL(lab, lab->server.answers);
    assert_int_equal(lab->server.status, STATUS_DENIED);
    net_tls_memory_unref(with.memory);
    net_tls_config_unref(with.client);
    net_tls_config_unref(with.server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, lab_set_up, lab_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_missing_certificate_or_key_is_named),
        TEST(a_folder_or_a_pipe_is_no_certificate),
        TEST(files_without_pem_are_refused),
        TEST(damaged_pem_is_refused),
        TEST(a_key_of_another_certificate_is_refused),
        TEST(a_key_with_a_passphrase_is_refused),
        TEST(a_store_needs_certificates),
        TEST(certificates_for_the_name_or_address_are_accepted),
        TEST(other_certificates_are_refused_with_the_reason),
        TEST(without_a_store_any_certificate_is_accepted),
        TEST(a_server_can_ask_clients_for_a_certificate),
        TEST(a_client_without_the_right_certificate_is_refused),
        TEST(a_name_that_is_too_long_is_refused),
        TEST(a_client_resumes_its_last_session),
        TEST(a_session_is_not_resumed_under_another_name_or_configuration),
        TEST(tickets_outlive_a_reload_that_asks_for_the_same),
    };
    return cmocka_run_group_tests(tests, lab_set_up_group, lab_tear_down_group);
}
