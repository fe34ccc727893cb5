/* The steps between a file's bytes and its tree. */
#ifndef BELLWIRE_CONFIG_PARSE_H
#define BELLWIRE_CONFIG_PARSE_H

#include "config/source.h"

#include <yaml.h>

/* As config_parse(), but the tree is returned after errors that leave one (tags, twins, aliases),
 * and `yaml` and `name` are borrowed for as long as the tree lives. `has_sections`: twins among the
 * IDs of the four sections are left for config_load(), which names their kind. STATUS_FAILED: no
 * tree, errors told; STATUS_NO_MEMORY. */
enum status config__parse(struct slice yaml, const char *name, bool has_sections,
                          struct arena *arena, struct config_diag *diag,
                          const struct config_node **out);

/* Where one key of a mapping came from, before twins and `<<` are settled. */
struct key_entry {
    const struct config_node *key, *value;
    uint32_t rank; /* 0: stands there itself; else the number of the `<<` source, from 1 */
    uint32_t order;
    bool is_dropped;
};
/* Settles `entries` into `map`: what stands in the mapping wins over what is merged, and the
 * earlier source over the later. Twins of rank 0 are errors unless `keep_twins`. The array is the
 * caller's and is reordered. STATUS_NO_MEMORY. */
enum status keys_settle(struct key_entry *entries, size_t count, bool keep_twins,
                        struct arena *arena, struct config_diag *diag, struct config_node *map);

/* Reports what libyaml's parser stumbled over, with a hint for the usual cause. */
void yaml_error_report(const yaml_parser_t *parser, struct source *source,
                       struct config_diag *diag);

/* Errors for comments that contain `${`, as far as the text can be scanned. STATUS_NO_MEMORY. */
enum status comments_check(struct source *source, struct config_diag *diag);

#endif
