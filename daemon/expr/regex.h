/* PCRE2 for matching and for the helpers of expressions.
 *
 * Characters or bytes  a subject that is UTF-8 is matched by characters (`.` is a whole one, no
 * group ends inside one), any other subject by bytes, where `\xHH` is that byte. NUL is a character
 * like any other. `\w \d \s \b` know ASCII only unless the pattern starts with `(*UCP)`. `\C` is
 * refused.
 * Bounds  the CPU time of each search, give or take a few milliseconds; EXPR_GROUPS_MAX groups.
 * Memory  a search allocates nothing from the heap where PCRE2 has JIT, unless the pattern needs
 * more than JIT's 32 KiB of stack.
 * Thread  a struct regex may be used by all threads at once. */
#ifndef BELLWIRE_EXPR_REGEX_H
#define BELLWIRE_EXPR_REGEX_H

#include "expr/expr.h"

#define REGEX_MATCH_LIMIT        100000
#define REGEX_RUN_TIME_BYTES_MAX 1024

struct regex;
struct regex_form; /* private */
struct regex_options {
    bool is_caseless;
    bool is_run_time; /* the pattern was made by an expression: REGEX_RUN_TIME_BYTES_MAX holds */
};
/* NULL after filling in `problem` (offset into the pattern, text; no hint). */
struct regex *regex__new(struct slice pattern, struct regex_options options,
                         struct expr_problem *problem);
void regex__free(struct regex *regex); /* NULL is allowed */

/* How many groups there are, the whole match included: at least 1, at most EXPR_GROUPS_MAX. */
uint32_t regex__group_count(const struct regex *regex);
/* Row `index` of the table of names (sorted by name; a name may have several numbers); false past
 * its end. */
bool regex__group_name(const struct regex *regex, size_t index, struct slice *name,
                       uint32_t *number);

/* The matches of one subject, one after the other, on the stack of whoever searches. The subject is
 * looked through for UTF-8 once, by regex__search(). */
struct regex_search {
    const struct regex *regex;
    struct slice subject;
    const struct regex_form *form; /* for characters or for bytes; NULL: matches nothing */
    size_t from;
    bool is_after_empty;
    uint64_t time_ns;  /* bound of each search */
    uint64_t spent_ns; /* about, of the last one */
};
struct regex_search regex__search(const struct regex *regex, struct slice subject,
                                  uint64_t time_ns);
/* The next match that does not overlap the one before; an empty one is given once at each place.
 * Fills `out` but for `matcher`. STATUS_NOT_FOUND at the end (out->count is 0), STATUS_LIMIT (its
 * time or memory is over), STATUS_NO_MEMORY. After anything but STATUS_OK the search is over. */
enum status regex__next(struct regex_search *search, struct expr_groups *out);

#endif
