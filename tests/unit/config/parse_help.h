/* Parsing in one call, for tests: the arena and the messages go with it. */
#ifndef TESTS_CONFIG_PARSE_HELP_H
#define TESTS_CONFIG_PARSE_HELP_H

#include "config/config.h"

struct parsed {
    struct arena arena;
    struct config_diag diag;
    const struct config_node *root;
};

static inline struct parsed *parse(struct parsed *parsed, const char *yaml) {
    arena_init(&parsed->arena, 4096, 0);
    config_diag_init(&parsed->diag, &parsed->arena);
    parsed->root = config_parse(slice_of(yaml), "in.yaml", &parsed->arena, &parsed->diag);
    return parsed;
}
static inline void parsed_free(struct parsed *parsed) { arena_deinit(&parsed->arena); }

#endif
