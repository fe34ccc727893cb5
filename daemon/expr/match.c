/* Match keys of message triggers (design.md, section 3). All that can be prepared is prepared at
 * load; a match takes nothing from the heap. */
#include "expr/expr.h"

#include <stdio.h>

#include "expr/regex.h"
#include "expr/set.h"
#include "expr/value.h"

struct match_json {
    struct slice path; /* dotted */
    struct value value;
};

struct expr_matcher {
    struct slice exact, starts_with, contains; /* bytes NULL: not asked for */
    /* For `contains` in any case: the longest start of it that also ends at each of its bytes, so
     * that no message makes the search quadratic (Knuth, Morris and Pratt). */
    uint32_t *borders;
    struct regex *regex; /* NULL: not asked for */
    struct match_json *json;
    size_t json_count;
    uint64_t regex_ns; /* bound of one search */
    bool is_case_sensitive;
};

/* ---- at load ---------------------------------------------------------------------------------
 */
static char folded(char c) { return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c; }

static bool take_slice(struct expr_set *set, struct slice from, struct slice *to) {
    *to = SLICE_NONE;
    if (!from.bytes)
        return true;
    char *copy = set__alloc(set, from.size);
    if (copy && from.size > 0)
        memcpy(copy, from.bytes, from.size);
    *to = (struct slice){copy, from.size};
    return copy != NULL;
}

static bool take_borders(struct expr_set *set, struct slice needle, uint32_t **out) {
    uint32_t *borders = set__alloc(set, needle.size * sizeof *borders);
    if (!borders)
        return false;
    for (size_t i = 1; i < needle.size; i++) {
        uint32_t border = borders[i - 1];
        while (border > 0 && folded(needle.bytes[i]) != folded(needle.bytes[border]))
            border = borders[border - 1];
        bool is_longer = folded(needle.bytes[i]) == folded(needle.bytes[border]);
        borders[i] = border + (is_longer ? 1 : 0);
    }
    *out = borders;
    return true;
}

static bool take_texts(struct expr_set *set, const struct expr_match_keys *keys,
                       struct expr_matcher *matcher) {
    if (!take_slice(set, keys->exact, &matcher->exact) ||
        !take_slice(set, keys->starts_with, &matcher->starts_with) ||
        !take_slice(set, keys->contains, &matcher->contains))
        return false;
    bool needs_borders = matcher->contains.bytes && !matcher->is_case_sensitive;
    return !needs_borders || take_borders(set, matcher->contains, &matcher->borders);
}

static enum status take_json(struct expr_set *set, const struct expr_match_keys *keys,
                             struct expr_matcher *matcher) {
    matcher->json = set__alloc(set, keys->json_count * sizeof *matcher->json);
    if (!matcher->json)
        return STATUS_NO_MEMORY;
    for (size_t i = 0; i < keys->json_count; i++) {
        struct match_json *json = &matcher->json[i];
        if (!take_slice(set, keys->json_paths[i], &json->path))
            return STATUS_NO_MEMORY;
        enum status status = value_copy(keys->json_values[i], set__arena(set), &json->value);
        if (status != STATUS_OK)
            return status;
    }
    matcher->json_count = keys->json_count;
    return STATUS_OK;
}

static void free_regex(void *regex) { regex__free(regex); }

static struct expr_matcher *refuse(struct expr_problem *problem, const char *text) {
    *problem = (struct expr_problem){.offset = 0};
    (void)snprintf(problem->text, sizeof problem->text, "%s", text); /* always fits */
    return NULL;
}

struct expr_matcher *expr_matcher_new(struct expr_set *set, const struct expr_match_keys *keys,
                                      struct expr_problem *problem) {
    struct expr_matcher *matcher = set__alloc(set, sizeof *matcher);
    if (!matcher)
        return refuse(problem, "out of memory");
    matcher->is_case_sensitive = keys->case_sensitive;
    matcher->regex_ns = set__time_budget_ns(set);
    if (!take_texts(set, keys, matcher))
        return refuse(problem, "out of memory");
    enum status status = take_json(set, keys, matcher);
    if (status == STATUS_LIMIT)
        return refuse(problem, "\"json\" holds a value of more than 64 levels");
    if (status != STATUS_OK)
        return refuse(problem, "out of memory");
    if (!keys->regex.bytes)
        return matcher;
    struct regex_options options = {.is_caseless = !keys->case_sensitive};
    matcher->regex = regex__new(keys->regex, options, problem);
    if (!matcher->regex)
        return NULL;
    if (!set__on_free(set, free_regex, matcher->regex)) {
        regex__free(matcher->regex);
        return refuse(problem, "out of memory");
    }
    return matcher;
}

/* ---- at each message -------------------------------------------------------------------------
 */
static bool contains_folded(const struct expr_matcher *matcher, struct slice text) {
    struct slice needle = matcher->contains;
    uint32_t matched = 0;
    if (needle.size == 0)
        return true;
    for (size_t i = 0; i < text.size; i++) {
        char c = folded(text.bytes[i]);
        while (matched > 0 && c != folded(needle.bytes[matched]))
            matched = matcher->borders[matched - 1];
        matched += c == folded(needle.bytes[matched]);
        if (matched == needle.size)
            return true;
    }
    return false;
}

static bool texts_equal(const struct expr_matcher *matcher, struct slice a, struct slice b) {
    return matcher->is_case_sensitive ? slice_equal(a, b) : slice_equal_nocase(a, b);
}

/* The first of the three text keys that does not hold, or NULL. */
static const char *text_gate(const struct expr_matcher *matcher, struct slice message) {
    if (matcher->exact.bytes && !texts_equal(matcher, message, matcher->exact))
        return "exact";
    struct slice start = matcher->starts_with;
    if (start.bytes && (message.size < start.size ||
                        !texts_equal(matcher, (struct slice){message.bytes, start.size}, start)))
        return "starts-with";
    if (!matcher->contains.bytes)
        return NULL;
    bool has_part = matcher->is_case_sensitive ? slice_contains(message, matcher->contains)
                                               : contains_folded(matcher, message);
    return has_part ? NULL : "contains";
}

static bool json_holds(const struct expr_matcher *matcher, const struct expr_subject *subject) {
    const struct value *message = subject->json ? subject->json(subject->context) : NULL;
    if (!message)
        return false;
    for (size_t i = 0; i < matcher->json_count; i++) {
        struct value found;
        if (!value__find_path(*message, matcher->json[i].path, &found) ||
            !value_equal(found, matcher->json[i].value))
            return false;
    }
    return true;
}

static bool regex_holds(const struct expr_matcher *matcher, struct slice message,
                        struct expr_groups *groups, bool *failed) {
    struct regex_search search = regex__search(matcher->regex, message, matcher->regex_ns);
    enum status status = regex__next(&search, groups);
    *failed = status != STATUS_OK && status != STATUS_NOT_FOUND;
    return status == STATUS_OK;
}

bool expr_match(const struct expr_matcher *matcher, const struct expr_subject *subject,
                struct expr_groups *groups, const char **gate, bool *failed) {
    groups->matcher = matcher;
    groups->subject = subject->message.bytes;
    groups->count = 0;
    *failed = false;
    *gate = text_gate(matcher, subject->message);
    if (*gate)
        return false;
    if (matcher->regex && !regex_holds(matcher, subject->message, groups, failed)) {
        *gate = "regex";
    } else if (matcher->json_count > 0 && !json_holds(matcher, subject)) {
        groups->count = 0;
        *gate = "json";
    }
    return *gate == NULL;
}

/* ---- groups ----------------------------------------------------------------------------------
 */
static struct slice group_at(const struct expr_groups *groups, uint64_t number) {
    if (number >= groups->count || groups->starts[number] == UINT32_MAX)
        return SLICE_NONE;
    return (struct slice){groups->subject + groups->starts[number],
                          groups->ends[number] - groups->starts[number]};
}

struct slice expr_group(const struct expr_groups *groups, struct slice name_or_number) {
    uint64_t number = 0;
    if (groups->count == 0)
        return SLICE_NONE;
    if (slice_to_u64(name_or_number, &number) == STATUS_OK)
        return group_at(groups, number);
    struct slice name, found = SLICE_NONE;
    uint32_t row_number = 0;
    const struct regex *regex = groups->matcher->regex;
    /* With (?J) several groups share a name: the first that took part counts. */
    for (size_t i = 0; !found.bytes && regex__group_name(regex, i, &name, &row_number); i++) {
        if (slice_equal(name, name_or_number))
            found = group_at(groups, row_number);
    }
    return found;
}

bool expr_matcher_has_group(const struct expr_matcher *matcher, struct slice name_or_number) {
    uint64_t number = 0;
    if (!matcher->regex)
        return false;
    if (slice_to_u64(name_or_number, &number) == STATUS_OK)
        return number < regex__group_count(matcher->regex);
    struct slice name;
    uint32_t row_number = 0;
    for (size_t i = 0; regex__group_name(matcher->regex, i, &name, &row_number); i++) {
        if (slice_equal(name, name_or_number))
            return true;
    }
    return false;
}
