/* File jobs: whole, in parts, beneath a root, and cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "net/net.h"

struct world {
    struct net_loop *loop;
    char root[64], path[128];
    int calls;
    enum status status;
    struct net_file file;
    char bytes[4096];
};

static void on_file(void *context, enum status status, const struct net_file *file) {
    struct world *world = context;
    world->calls++;
    world->status = status;
    if (file) {
        world->file = *file;
        size_t size =
            file->bytes.size < sizeof(world->bytes) ? file->bytes.size : sizeof(world->bytes) - 1;
        memcpy(world->bytes, file->bytes.bytes ? file->bytes.bytes : "", size);
        world->bytes[size] = '\0';
    }
}

static void put(struct world *world, const char *name, const char *content) {
    (void)snprintf(world->path, sizeof(world->path), "%s/%s", world->root, name);
    FILE *file = fopen(world->path, "w");
    assert_non_null(file);
    (void)fputs(content, file);
    (void)fclose(file);
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    (void)snprintf(world->root, sizeof(world->root), "/tmp/net-file-XXXXXX");
    assert_non_null(mkdtemp(world->root));
    world->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    assert_non_null(world->loop);
    put(world, "small.txt", "hello");
    put(world, "large.txt", "0123456789");
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    char command[128];
    net_loop_free(world->loop);
    (void)snprintf(command, sizeof(command), "rm -rf %s", world->root);
    assert_int_equal(system(command), 0);
    free(world);
    return 0;
}

static void wait_done(struct world *world) {
    for (int i = 0; i < 5000 && !world->calls; i++) {
        net_loop_turn(world->loop, 2);
    }
    assert_int_equal(world->calls, 1);
    world->calls = 0;
}

static enum status read_file(struct world *world, const char *root, const char *path) {
    struct net_file_options options = {
        .root = slice_of(root), .path = slice_of(path), .whole_bytes = 8};
    assert_non_null(net_file_open(world->loop, &options, on_file, world));
    wait_done(world);
    return world->status;
}

static void a_small_file_is_read_whole_and_closed(void **state) {
    struct world *world = *state;
    assert_int_equal(read_file(world, world->root, "small.txt"), STATUS_OK);
    assert_string_equal(world->bytes, "hello");
    assert_int_equal(world->file.size, 5);
    assert_int_equal(world->file.fd, -1);
    assert_true(world->file.mtime_s > 1600000000);
}

static void a_larger_one_is_opened_and_read_in_parts(void **state) {
    struct world *world = *state;
    assert_int_equal(read_file(world, world->root, "large.txt"), STATUS_OK);
    assert_int_equal(world->file.size, 10);
    int fd = world->file.fd;
    assert_true(fd >= 0);
    struct net_file_range range = {.fd = fd, .offset = 7, .size = 100};
    assert_non_null(net_file_read(world->loop, &range, on_file, world));
    wait_done(world);
    assert_string_equal(world->bytes, "789");
    close(fd);
}

static void one_that_must_be_whole_is_bounded(void **state) {
    struct world *world = *state;
    struct net_file_options options = {.root = slice_of(world->root),
                                       .path = SLICE("large.txt"),
                                       .whole_bytes = 9,
                                       .whole_only = true};
    assert_non_null(net_file_open(world->loop, &options, on_file, world));
    wait_done(world);
    assert_int_equal(world->status, STATUS_LIMIT);
}

/* proves S12: the root is never left */
static void nothing_leads_out_of_the_root(void **state) {
    struct world *world = *state;
    char link[128];
    (void)snprintf(link, sizeof(link), "%s/out", world->root);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    (void)snprintf(link, sizeof(link), "%s/up", world->root);
    assert_int_equal(symlink("..", link), 0);
    assert_int_equal(read_file(world, world->root, "../../etc/passwd"), STATUS_DENIED);
    assert_int_equal(read_file(world, world->root, "/etc/passwd"), STATUS_DENIED);
    assert_int_equal(read_file(world, world->root, "out"), STATUS_DENIED);
    assert_int_equal(read_file(world, world->root, "up/etc"), STATUS_DENIED);
    assert_int_equal(read_file(world, world->root, "missing"), STATUS_NOT_FOUND);
    assert_int_equal(read_file(world, world->root, "small.txt/x"), STATUS_NOT_FOUND);
}

static void only_regular_files_are_read(void **state) {
    struct world *world = *state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/fifo", world->root);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(read_file(world, world->root, "fifo"), STATUS_TYPE);
    assert_int_equal(read_file(world, "", world->root), STATUS_TYPE);
    assert_int_equal(read_file(world, "", "/dev/zero"), STATUS_TYPE);
}

static void a_cancelled_job_tells_nobody_and_leaks_nothing(void **state) {
    struct world *world = *state;
    int before = open("/dev/null", O_RDONLY);
    close(before);
    struct net_file_options options = {.root = slice_of(world->root), .path = SLICE("large.txt")};
    for (int i = 0; i < 20; i++) {
        struct net_job *job = net_file_open(world->loop, &options, on_file, world);
        assert_non_null(job);
        net_loop_turn(world->loop, i % 3);
        if (world->calls == 0) {
            net_job_cancel(job);
        } else {
            close(world->file.fd);
            world->calls = 0;
        }
    }
    net_loop_free(world->loop);
    world->loop = net_loop_new(&(struct net_loop_options){.clock = &clock_system});
    assert_int_equal(world->calls, 0);
    int after = open("/dev/null", O_RDONLY);
    close(after);
    assert_int_equal(after, before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_small_file_is_read_whole_and_closed),
        TEST(a_larger_one_is_opened_and_read_in_parts),
        TEST(one_that_must_be_whole_is_bounded),
        TEST(nothing_leads_out_of_the_root),
        TEST(only_regular_files_are_read),
        TEST(a_cancelled_job_tells_nobody_and_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
