/* PCRE2 behind one file: a pattern is compiled in two forms, one for characters and one for bytes,
 * both at once (7 us each), so that it never changes afterwards. A search takes its match data from
 * its own stack. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "expr/regex.h"

#include <pcre2.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

/* For the interpreter alone, which takes over where JIT's stack is too small: KiB of frames. */
#define REGEX_HEAP_LIMIT_KIB 8192
#define REGEX_SCRATCH_BYTES  1536

struct regex {
    pcre2_code *text;
    pcre2_code *bytes; /* NULL: the pattern has no meaning for bytes (`\x{100}`) and matches none */
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

static bool compile_both(struct regex *regex, struct slice pattern, bool is_caseless,
                         struct expr_problem *problem) {
    int error = 0, bytes_error = 0;
    size_t offset = 0, bytes_offset = 0;
    uint32_t options = is_caseless ? PCRE2_CASELESS : 0;
    regex->text = compile(pattern, options | PCRE2_UTF, &error, &offset);
    if (!regex->text)
        return refuse_error(problem, offset, error);
    regex->bytes = compile(pattern, options | PCRE2_NEVER_UTF, &bytes_error, &bytes_offset);
    if (!regex->bytes && bytes_error == PCRE2_ERROR_HEAP_FAILED)
        return refuse_error(problem, 0, bytes_error);
    uint32_t groups = 0;
    (void)pcre2_pattern_info(regex->text, PCRE2_INFO_CAPTURECOUNT, &groups); /* cannot fail */
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
    if (!compile_both(regex, pattern, options.is_caseless, problem)) {
        regex__free(regex);
        return NULL;
    }
    return regex;
}

void regex__free(struct regex *regex) {
    if (!regex)
        return;
    pcre2_code_free(regex->bytes);
    pcre2_code_free(regex->text);
    free(regex);
}

/* ---- groups ----------------------------------------------------------------------------------
 */
uint32_t regex__group_count(const struct regex *regex) { return regex->group_count; }

bool regex__group_name(const struct regex *regex, size_t index, struct slice *name,
                       uint32_t *number) {
    uint32_t count = 0, size = 0;
    PCRE2_SPTR table = NULL;
    (void)pcre2_pattern_info(regex->text, PCRE2_INFO_NAMECOUNT, &count); /* none can fail */
    (void)pcre2_pattern_info(regex->text, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(regex->text, PCRE2_INFO_NAMETABLE, &table);
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

struct regex_search regex__search(const struct regex *regex, struct slice subject) {
    if (subject.size == 0)
        subject = SLICE(""); /* PCRE2 wants no NULL */
    bool is_text = is_ascii(subject) || slice_is_utf8(subject);
    return (struct regex_search){
        .regex = regex, .subject = subject, .code = is_text ? regex->text : regex->bytes};
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

static enum status match_at(const struct regex_search *search, struct regex_scratch *scratch,
                            struct expr_groups *out) {
    pcre2_general_context *general =
        pcre2_general_context_create(scratch_alloc, scratch_free, scratch);
    pcre2_match_context *limits = general ? pcre2_match_context_create(general) : NULL;
    uint32_t groups = search->regex->group_count;
    pcre2_match_data *data = limits ? pcre2_match_data_create(groups, general) : NULL;
    enum status status = STATUS_NO_MEMORY;
    if (data) {
        (void)pcre2_set_match_limit(limits, REGEX_MATCH_LIMIT); /* neither can fail */
        (void)pcre2_set_heap_limit(limits, REGEX_HEAP_LIMIT_KIB);
        PCRE2_SPTR subject = (PCRE2_SPTR)search->subject.bytes;
        /* Checked by regex__search(); the form for bytes has nothing to check. */
        uint32_t options = PCRE2_NO_UTF_CHECK;
        options |= search->is_after_empty ? PCRE2_NOTEMPTY_ATSTART : 0;
        int result = pcre2_match(search->code, subject, search->subject.size, search->from, options,
                                 data, limits);
        if (result == PCRE2_ERROR_JIT_STACKLIMIT)
            result = pcre2_match(search->code, subject, search->subject.size, search->from,
                                 options | PCRE2_NO_JIT, data, limits);
        status = status_of_match(result);
        if (status == STATUS_OK)
            take_groups(search->regex, pcre2_get_ovector_pointer(data), out);
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    pcre2_general_context_free(general);
    return status;
}

enum status regex__next(struct regex_search *search, struct expr_groups *out) {
    struct regex_scratch scratch;
    scratch.used = 0;
    out->subject = search->subject.bytes;
    out->count = 0;
    if (!search->code)
        return STATUS_NOT_FOUND;
    enum status status = match_at(search, &scratch, out);
    if (status != STATUS_OK) {
        search->code = NULL;
        return status;
    }
    search->from = out->ends[0];
    search->is_after_empty = out->starts[0] == out->ends[0];
    return STATUS_OK;
}
