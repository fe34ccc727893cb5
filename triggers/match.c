/* The match keys of a message trigger, read the same way for servers and clients. */
#include "triggers/event.h"

bool trigger__prepare_match(struct prepare *prepare, struct trigger_match *match, size_t offset) {
    struct expr_match_keys keys = {.contains = match->contains,
                                   .starts_with = match->starts_with,
                                   .exact = match->exact,
                                   .regex = match->regex,
                                   .case_sensitive = match->case_sensitive};
    if (match->json.is_given && match->json.value.type != VALUE_MAP)
        return prepare_error(prepare, offset + offsetof(struct trigger_match, json),
                             "\"json\" must be a mapping of dotted paths to values");
    if (match->json.is_given) {
        size_t count = match->json.value.count;
        struct slice *paths = arena_alloc(prepare_arena(prepare), count * sizeof *paths);
        struct value *values = arena_alloc(prepare_arena(prepare), count * sizeof *values);
        if (!paths || !values)
            return prepare_error(prepare, PREPARE_WHOLE, "out of memory");
        for (size_t i = 0; i < count; i++) {
            paths[i] = value_slice(match->json.value.pairs[i].key);
            values[i] = match->json.value.pairs[i].value;
        }
        keys.json_paths = paths;
        keys.json_values = values;
        keys.json_count = count;
    }
    if (!keys.contains.bytes && !keys.starts_with.bytes && !keys.exact.bytes && !keys.regex.bytes &&
        !keys.json_count)
        return true;
    struct expr_problem problem = {0};
    match->matcher = expr_matcher_new(prepare_set(prepare), &keys, &problem);
    if (match->matcher)
        return true;
    prepare_error(prepare, offset + offsetof(struct trigger_match, regex), "\"regex\": %s",
                  problem.text);
    return problem.hint[0] ? prepare_hint(prepare, "%s", problem.hint) : false;
}
