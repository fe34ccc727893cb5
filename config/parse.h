/* The steps between a file's bytes and its tree. */
#ifndef BELLWIRE_CONFIG_PARSE_H
#define BELLWIRE_CONFIG_PARSE_H

#include "config/source.h"

#include <yaml.h>

struct parse_input { /* borrowed for as long as the tree lives */
    struct slice yaml;
    const char *name;
    bool has_sections; /* twins among the IDs of the four sections are left for config_load(),
                          which names their kind */
};
/* As config_parse(), but the tree is returned after errors that leave one (tags, twins, aliases).
 * STATUS_FAILED: no tree, errors told; STATUS_NO_MEMORY. */
enum status config__parse(const struct parse_input *input, struct arena *arena,
                          struct config_diag *diag, const struct config_node **out);

/* Where one key of a mapping came from, before twins and `<<` are settled. */
struct key_entry {
    const struct config_node *key, *value;
    uint32_t rank; /* 0: stands there itself; else the number of the `<<` source, from 1 */
    uint32_t order;
    bool is_dropped;
};
struct key_list {
    struct key_entry *entries; /* the caller's; they are reordered */
    size_t count;
    bool keep_twins; /* of rank 0; else they are errors */
};
/* Settles `list` into `map`: what stands in the mapping wins over what is merged, and the earlier
 * source over the later. STATUS_NO_MEMORY. */
enum status keys_settle(const struct key_list *list, struct arena *arena, struct config_diag *diag,
                        struct config_node *map);

/* Reports what libyaml's parser stumbled over, with a hint for the usual cause. */
void yaml_error_report(const yaml_parser_t *parser, struct source *source,
                       struct config_diag *diag);

/* Errors for comments that contain `${`, as far as the text can be scanned. STATUS_NO_MEMORY. */
enum status comments_check(struct source *source, struct config_diag *diag);

#endif
