/* PCRE2 behind one file. A pattern is compiled for characters and for bytes, all at once, so that
 * it never changes afterwards. A search takes its match data from its own stack.
 *
 * PCRE2's match limit bounds neither the time of one step, which may walk the whole subject, nor
 * the number of places where a match is tried, each with the limit anew. So each pattern has two
 * forms: the fast one is tried where limit, places and size together bound its time; the careful
 * one, whose callouts look at the clock, where they do not, or where the fast one gave up. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "expr/regex.h"

#include <pcre2.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* For the interpreter alone, which takes over where JIT's stack is too small: KiB of frames. */
#define REGEX_HEAP_LIMIT_KIB 8192
#define REGEX_SCRATCH_BYTES  1536

#define FAST_STEPS           4000000 /* at worst, of about 1 ns: limit times places times size */
#define FAST_LIMIT_MIN       16      /* below it nearly every search would have to begin again */
#define CALLOUT_NS           30
#define CALLOUTS             256           /* between two looks at the clock, for a small subject */
#define CALLOUTS_WALK_BYTES  (1024 * 1024) /* what the steps between two looks may walk */
#define SCANNED_BYTES_PER_NS 16

struct regex_form {
    pcre2_code *fast;    /* NULL: no limit bounds it, or it was made at run time */
    pcre2_code *careful; /* NULL: the pattern has no meaning here (`\x{100}` for bytes): no match */
    bool is_anchored;    /* tried at one place alone */
};
struct regex {
    struct regex_form text, bytes;
    uint32_t group_count;
};

/* ---- compiling -------------------------------------------------------------------------------
 */
static pcre2_code *compile(struct slice pattern, uint32_t options, int *error, size_t *offset) {
    PCRE2_SPTR text = (PCRE2_SPTR)(pattern.size ? pattern.bytes : "");
    options |= PCRE2_NEVER_BACKSLASH_C;
    pcre2_code *code = pcre2_compile(text, pattern.size, options, error, offset, NULL);
    if (code)
        (void)pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    return code;
}

static bool refuse(struct expr_problem *problem, size_t offset, const char *text) {
    *problem = (struct expr_problem){.offset = offset};
    (void)snprintf(problem->text, sizeof problem->text, "%s", text); /* a cut message is one too */
    return false;
}

static bool refuse_error(struct expr_problem *problem, size_t offset, int error) {
    char reason[256], text[EXPR_WHY_MAX];
    if (error == PCRE2_ERROR_HEAP_FAILED)
        return refuse(problem, 0, "out of memory");
    if (pcre2_get_error_message(error, (PCRE2_UCHAR *)reason, sizeof reason) < 0)
        return refuse(problem, offset, "the regular expression is wrong");
    (void)snprintf(text, sizeof text, "the regular expression is wrong: %s", reason);
    return refuse(problem, offset, text);
}

/* Returns PCRE2's error, 0: none. */
static int compile_form(struct slice pattern, uint32_t options, bool is_run_time,
                        struct regex_form *form, size_t *offset) {
    int error = 0;
    uint32_t backreference = 0, all_options = 0;
    form->careful = compile(pattern, options | PCRE2_AUTO_CALLOUT, &error, offset);
    if (!form->careful)
        return error;
    (void)pcre2_pattern_info(form->careful, PCRE2_INFO_ALLOPTIONS, &all_options); /* cannot fail */
    (void)pcre2_pattern_info(form->careful, PCRE2_INFO_BACKREFMAX, &backreference);
    form->is_anchored = (all_options & PCRE2_ANCHORED) != 0;
    if (is_run_time || backreference > 0) /* a step that compares may take as long as the subject */
        return 0;
    form->fast = compile(pattern, options, &error, offset);
    return form->fast ? 0 : error;
}

static bool compile_both(struct regex *regex, struct slice pattern, struct regex_options asked,
                         struct expr_problem *problem) {
    size_t offset = 0, bytes_offset = 0;
    uint32_t options = asked.is_caseless ? PCRE2_CASELESS : 0;
    int error =
        compile_form(pattern, options | PCRE2_UTF, asked.is_run_time, &regex->text, &offset);
    if (error)
        return refuse_error(problem, offset, error);
    error = compile_form(pattern, options | PCRE2_NEVER_UTF, asked.is_run_time, &regex->bytes,
                         &bytes_offset);
    if (error == PCRE2_ERROR_HEAP_FAILED)
        return refuse_error(problem, 0, error);
    uint32_t groups = 0;
    (void)pcre2_pattern_info(regex->text.careful, PCRE2_INFO_CAPTURECOUNT, &groups); /* as above */
    regex->group_count = groups + 1;
    if (regex->group_count > EXPR_GROUPS_MAX) {
        char text[EXPR_WHY_MAX];
        (void)snprintf(text, sizeof text,
                       "the regular expression has %u groups, at most %d are possible; (?:...) "
                       "groups without capturing",
                       groups, EXPR_GROUPS_MAX - 1);
        return refuse(problem, 0, text);
    }
    return true;
}

struct regex *regex__new(struct slice pattern, struct regex_options options,
                         struct expr_problem *problem) {
    if (options.is_run_time && pattern.size > REGEX_RUN_TIME_BYTES_MAX) {
        (void)refuse(problem, REGEX_RUN_TIME_BYTES_MAX,
                     "a regular expression made at run time has at most 1024 bytes");
        return NULL;
    }
    struct regex *regex = calloc(1, sizeof *regex);
    if (!regex) {
        (void)refuse(problem, 0, "out of memory");
        return NULL;
    }
    if (!compile_both(regex, pattern, options, problem)) {
        regex__free(regex);
        return NULL;
    }
    return regex;
}

void regex__free(struct regex *regex) {
    if (!regex)
        return;
    struct regex_form *forms[] = {&regex->text, &regex->bytes};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        pcre2_code_free(forms[i]->fast);
        pcre2_code_free(forms[i]->careful);
    }
    free(regex);
}

/* ---- groups ----------------------------------------------------------------------------------
 */
uint32_t regex__group_count(const struct regex *regex) { return regex->group_count; }

bool regex__group_name(const struct regex *regex, size_t index, struct slice *name,
                       uint32_t *number) {
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    (void)pcre2_pattern_info(regex->text.careful, PCRE2_INFO_NAMECOUNT, &count); /* none can fail */
    (void)pcre2_pattern_info(regex->text.careful, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(regex->text.careful, PCRE2_INFO_NAMETABLE, &table);
    if (index >= count)
        return false;
    const unsigned char *row = table + index * size;
    *number = (uint32_t)row[0] << 8 | row[1];
    *name = slice_of((const char *)row + 2);
    return true;
}

/* ---- searching -------------------------------------------------------------------------------
 */
struct regex_scratch { /* where PCRE2's small objects of one match live */
    alignas(16) char room[REGEX_SCRATCH_BYTES];
    size_t used;
};

static void *scratch_alloc(size_t size, void *data) {
    struct regex_scratch *scratch = data;
    size_t rounded = (size + 15) & ~(size_t)15;
    if (rounded < size || rounded > sizeof scratch->room - scratch->used)
        return malloc(size); /* the interpreter's frames */
    void *block = scratch->room + scratch->used;
    scratch->used += rounded;
    return block;
}

static void scratch_free(void *block, void *data) {
    struct regex_scratch *scratch = data;
    char *at = block;
    if (at < scratch->room || at >= scratch->room + sizeof scratch->room)
        free(block);
}

static bool is_ascii(struct slice text) {
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= text.size; i += sizeof word) {
        memcpy(&word, text.bytes + i, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            return false;
    }
    while (i < text.size && (unsigned char)text.bytes[i] < 0x80)
        i++;
    return i == text.size;
}

struct regex_search regex__search(const struct regex *regex, struct slice subject,
                                  uint64_t time_ns) {
    if (subject.size == 0)
        subject = SLICE(""); /* PCRE2 wants no NULL */
    bool is_text = is_ascii(subject) || slice_is_utf8(subject);
    const struct regex_form *form = is_text ? &regex->text : &regex->bytes;
    return (struct regex_search){.regex = regex,
                                 .subject = subject,
                                 .form = form->careful ? form : NULL,
                                 .time_ns = time_ns};
}

/* `\K` in a look-behind can end a match before its start: then it is empty. */
static void take_groups(const struct regex *regex, const size_t *pairs, struct expr_groups *out) {
    for (uint32_t i = 0; i < regex->group_count; i++) {
        bool is_set = pairs[2 * i] != PCRE2_UNSET;
        size_t start = pairs[2 * i], end = pairs[2 * i + 1];
        out->starts[i] = is_set ? (uint32_t)start : UINT32_MAX;
        out->ends[i] = is_set ? (uint32_t)(end > start ? end : start) : UINT32_MAX;
    }
    out->count = regex->group_count;
}

static enum status status_of_match(int result) {
    if (result >= 0)
        return STATUS_OK;
    if (result == PCRE2_ERROR_NOMATCH)
        return STATUS_NOT_FOUND;
    return result == PCRE2_ERROR_NOMEMORY ? STATUS_NO_MEMORY : STATUS_LIMIT;
}

struct watch {                  /* of one search by a careful form */
    uint64_t time_ns, start_ns; /* start 0: the clock was not read yet */
    uint32_t callouts, stride;
};

static uint64_t cpu_ns(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); /* Linux always has it */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int on_callout(pcre2_callout_block *block, void *data) {
    struct watch *watch = data;
    (void)block; /* where it stands does not matter */
    if (++watch->callouts % watch->stride != 0)
        return 0;
    uint64_t now = cpu_ns();
    if (!watch->start_ns)
        watch->start_ns = now;
    return now - watch->start_ns > watch->time_ns ? PCRE2_ERROR_MATCHLIMIT : 0;
}

struct try { /* what the two forms of one search share */
    pcre2_match_context *context;
    pcre2_match_data *data;
    struct watch watch;
};

static int match_with(const pcre2_code *code, const struct regex_search *search, struct try *try) {
    PCRE2_SPTR subject = (PCRE2_SPTR)search->subject.bytes;
    /* Checked by regex__search(); the form for bytes has nothing to check. */
    uint32_t options = PCRE2_NO_UTF_CHECK | (search->is_after_empty ? PCRE2_NOTEMPTY_ATSTART : 0);
    int result = pcre2_match(code, subject, search->subject.size, search->from, options, try->data,
                             try->context);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(code, subject, search->subject.size, search->from,
                             options | PCRE2_NO_JIT, try->data, try->context);
    return result;
}

/* The fast form, as far as its time is bounded; PCRE2_ERROR_MATCHLIMIT: not far enough. */
static int match_fast(const struct regex_search *search, struct try *try) {
    const struct regex_form *form = search->form;
    size_t size = search->subject.size - search->from + 1;
    uint64_t limit = FAST_STEPS / size / (form->is_anchored ? 1 : size);
    if (!form->fast || limit < FAST_LIMIT_MIN)
        return PCRE2_ERROR_MATCHLIMIT;
    limit = limit < REGEX_MATCH_LIMIT ? limit : REGEX_MATCH_LIMIT;
    (void)pcre2_set_match_limit(try->context, (uint32_t)limit); /* cannot fail */
    return match_with(form->fast, search, try);
}

static int match_careful(const struct regex_search *search, struct try *try) {
    size_t stride = CALLOUTS_WALK_BYTES / (search->subject.size + 1);
    try->watch.stride = stride < 1 ? 1 : stride < CALLOUTS ? (uint32_t)stride : CALLOUTS;
    (void)pcre2_set_match_limit(try->context, UINT32_MAX); /* neither can fail */
    (void)pcre2_set_callout(try->context, on_callout, &try->watch);
    return match_with(search->form->careful, search, try);
}

static enum status match(struct regex_search *search, struct regex_scratch *scratch,
                         struct expr_groups *out) {
    pcre2_general_context *general =
        pcre2_general_context_create(scratch_alloc, scratch_free, scratch);
    struct try try = {.watch.time_ns = search->time_ns};
    try.context = general ? pcre2_match_context_create(general) : NULL;
    uint32_t groups = search->regex->group_count;
    try.data = try.context ? pcre2_match_data_create(groups, general) : NULL;
    enum status status = STATUS_NO_MEMORY;
    if (try.data) {
        (void)pcre2_set_heap_limit(try.context, REGEX_HEAP_LIMIT_KIB); /* cannot fail */
        int result = match_fast(search, &try);
        if (result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_HEAPLIMIT)
            result = match_careful(search, &try);
        status = status_of_match(result);
        if (status == STATUS_OK)
            take_groups(search->regex, pcre2_get_ovector_pointer(try.data), out);
    }
    size_t scanned = (status == STATUS_OK ? out->ends[0] : search->subject.size) - search->from;
    search->spent_ns = (uint64_t)try.watch.callouts * CALLOUT_NS + scanned / SCANNED_BYTES_PER_NS;
    pcre2_match_data_free(try.data);
    pcre2_match_context_free(try.context);
    pcre2_general_context_free(general);
    return status;
}

enum status regex__next(struct regex_search *search, struct expr_groups *out) {
    struct regex_scratch scratch;
    scratch.used = 0;
    out->subject = search->subject.bytes;
    out->count = 0;
    search->spent_ns = 0;
    if (!search->form)
        return STATUS_NOT_FOUND;
    enum status status = match(search, &scratch, out);
    if (status != STATUS_OK) {
        search->form = NULL;
        return status;
    }
    search->from = out->ends[0];
    search->is_after_empty = out->starts[0] == out->ends[0];
    return STATUS_OK;
}
