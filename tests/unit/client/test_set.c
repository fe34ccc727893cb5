/* The clients of a worker, changed while memory is out. */
#include "tests/unit/client/peer.h"

#include "tests/unit/fail_alloc.h"

/* However often: what was removed of a table takes its room until the table is made anew. */
static void a_client_that_changes_without_memory_stays_known(void **state) {
    struct fixture *fixture = *state;
    fixture->options.enabled = false;
    apply(fixture);
    for (int i = 0; i < 100; i++) {
        struct client_config *config = client_config_new(&fixture->options);
        fail_alloc_after(0);
        enum status status = client_set_apply(fixture->set, config, NULL);
        fail_alloc_never();
        assert_int_equal(status, STATUS_OK);
        assert_ptr_equal(client_set_find(fixture->set, SLICE("c")), config);
        client_config_unref(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_client_that_changes_without_memory_stays_known, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
