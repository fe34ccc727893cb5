/* The servers of a worker, changed while memory is out. */
#include "tests/unit/server/rig.h"

#include "tests/unit/fail_alloc.h"

static const struct server_events events = {0};

/* However often: what was removed of a table takes its room until the table is made anew. */
static void a_server_that_changes_without_memory_stays_known(void **state) {
    struct rig rig;
    (void)state;
    rig_init(&rig, &events, NULL);
    for (int i = 0; i < 100; i++) {
        struct server_config *config = server_config_new(&rig.options);
        fail_alloc_after(0);
        enum status status = server_set_apply(rig.set, config, NULL);
        fail_alloc_never();
        assert_int_equal(status, STATUS_OK);
        assert_ptr_equal(server_set_find(rig.set, SLICE("main")), config);
        server_config_unref(config);
    }
    rig_deinit(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_changes_without_memory_stays_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
