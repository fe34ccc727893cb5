/* A configuration as a start loads it: YAML, declarations, tasks with the real tables, their index.
 * The main file lies in memory; it may name others, which are read. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/generation.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct buffer out;
    int fd = memfd_create("bellwire.yaml", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct generation_input input = {.config = path, .workers = 1, .number = 1};
    struct generation *generation = generation_load(&input);
    assert(!generation->program == (generation->diag.errors > 0));
    buffer_init(&out, 0);
    assert(generation_print(generation, false, &out) == STATUS_OK);
    assert(generation_print_json(generation, generation->program != NULL, &out) == STATUS_OK);
    buffer_deinit(&out);
    if (generation->program)
        program_unref(generation->program);
    generation_unref(generation);
    close(fd);
    return 0;
}
