/* Scalars: one parser, one message and one spelling for each type, whether the text came from a
 * file, the manager or a variable. */
#include "config/value.h"

#include "config/diag.h"

#include <stdio.h>

static enum status store_text(const struct config_field *field, struct slice text,
                              struct slice *member, char *why);
static enum status store_bool(const struct config_field *field, struct slice text, bool *value,
                              char *why);
static enum status store_u32(const struct config_field *field, struct slice text, uint32_t *member,
                             char *why);
static enum status store_duration(const struct config_field *field, struct slice text,
                                  uint64_t *member, char *why);
static enum status store_size(const struct config_field *field, struct slice text, uint64_t *member,
                              char *why);
static enum status store_enum(const struct config_field *field, struct slice text, int *member,
                              char *why);
static void tell(const struct config_field *field, struct slice text, const char *rule, char *why);
static bool is_number(struct slice text);

static const char duration_rule[] = "must be a duration such as 250ms, 5s, 10m, 1h or 1d";
static const char size_rule[] = "must be a size such as 512B, 64KiB or 1MiB";

enum status config_store(const struct config_field *field, struct slice text, void *out,
                         size_t offset, char *why) {
    return value_store(field, text, (char *)out + offset, why);
}

enum status value_store(const struct config_field *field, struct slice text, void *member,
                        char *why) {
    bool truth = false;
    enum status status;
    switch (field->type) {
        case CONFIG_TEXT:
        case CONFIG_FILE:
            return store_text(field, text, member, why);
        case CONFIG_BOOL:
            return store_bool(field, text, member, why);
        case CONFIG_TRISTATE:
            status = store_bool(field, text, &truth, why);
            if (!status)
                *(int8_t *)member = truth;
            return status;
        case CONFIG_U32:
            return store_u32(field, text, member, why);
        case CONFIG_DURATION:
            return store_duration(field, text, member, why);
        case CONFIG_SIZE:
            return store_size(field, text, member, why);
        case CONFIG_ENUM:
            return store_enum(field, text, member, why);
        case CONFIG_TEXTS:
        case CONFIG_PAIRS:
        case CONFIG_STRUCT:
        case CONFIG_SPECIAL:
            break;
    }
    snprintf(why, CONFIG_WHY_MAX, "\"%s\" is not one plain value", field->name);
    return STATUS_TYPE;
}

uint64_t value_max(const struct config_field *field) {
    if (field->max)
        return field->max;
    return field->type == CONFIG_U32 ? UINT32_MAX : UINT64_MAX;
}

/* `"name" RULE, got TEXT`; what is secret is not repeated. */
static void tell(const struct config_field *field, struct slice text, const char *rule, char *why) {
    const char *mark = is_number(text) ? "" : "\"";
    if (field->is_secret)
        snprintf(why, CONFIG_WHY_MAX, "\"%s\" %s", field->name, rule);
    else
        snprintf(why, CONFIG_WHY_MAX, "\"%s\" %s, got %s%s%s", field->name, rule, mark,
                 config__quote(text).text, mark);
}

static bool is_number(struct slice text) {
    size_t at = text.size > 1 && text.bytes[0] == '-';
    for (size_t i = at; i < text.size; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9')
            return false;
    return text.size > 0;
}

static enum status store_text(const struct config_field *field, struct slice text,
                              struct slice *member, char *why) {
    bool is_file = field->type == CONFIG_FILE;
    if (is_file && memchr(text.size ? text.bytes : "", '\0', text.size)) {
        snprintf(why, CONFIG_WHY_MAX, "\"%s\" must not contain a NUL character", field->name);
        return STATUS_SYNTAX;
    }
    if (text.size == 0 && (is_file || field->min > 0)) {
        snprintf(why, CONFIG_WHY_MAX, "\"%s\" must not be empty", field->name);
        return STATUS_RANGE;
    }
    bool is_short = text.size < field->min;
    if (is_short || text.size > value_max(field)) {
        char got[32] = "";
        if (!field->is_secret)
            snprintf(got, sizeof(got), ", got %zu", text.size);
        snprintf(why, CONFIG_WHY_MAX, "\"%s\" must be at %s %llu bytes long%s", field->name,
                 is_short ? "least" : "most",
                 (unsigned long long)(is_short ? field->min : value_max(field)), got);
        return STATUS_RANGE;
    }
    *member = text;
    return STATUS_OK;
}

static enum status store_bool(const struct config_field *field, struct slice text, bool *value,
                              char *why) {
    static const char *const spellings[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        if (slice_is(text, spellings[i])) {
            *value = i % 2 == 1;
            return STATUS_OK;
        }
    }
    tell(field, text, "must be one of true, false, yes, no, on, off, 1 and 0", why);
    return STATUS_SYNTAX;
}

static enum status store_u32(const struct config_field *field, struct slice text, uint32_t *member,
                             char *why) {
    uint64_t number = 0;
    uint64_t max = value_max(field);
    enum status status = slice_to_u64(text, &number);
    if (status && is_number(text))
        status = STATUS_RANGE;
    if (!status && (number < field->min || number > max))
        status = STATUS_RANGE;
    if (!status) {
        *member = (uint32_t)number;
        return STATUS_OK;
    }
    char rule[96];
    snprintf(rule, sizeof(rule), "must be %sbetween %llu and %llu",
             status == STATUS_RANGE ? "" : "a whole number ", (unsigned long long)field->min,
             (unsigned long long)max);
    tell(field, text, rule, why);
    return status;
}

static enum status check_range(const struct config_field *field, struct slice text, uint64_t value,
                               struct slice (*format)(uint64_t, char *), char *why) {
    if (value >= field->min && value <= value_max(field))
        return STATUS_OK;
    char min[BASE_TEXT_MAX], max[BASE_TEXT_MAX], rule[128];
    struct slice least = format(field->min, min), most = format(value_max(field), max);
    if (field->max)
        snprintf(rule, sizeof(rule), "must be between " SLICE_FMT " and " SLICE_FMT,
                 SLICE_ARG(least), SLICE_ARG(most));
    else
        snprintf(rule, sizeof(rule), "must be at least " SLICE_FMT, SLICE_ARG(least));
    tell(field, text, rule, why);
    return STATUS_RANGE;
}

static enum status store_duration(const struct config_field *field, struct slice text,
                                  uint64_t *member, char *why) {
    uint64_t ms = 0;
    if (field->allow_off && slice_is(text, "off")) {
        *member = 0;
        return STATUS_OK;
    }
    enum status status = duration_parse(text, &ms);
    if (!status)
        status = check_range(field, text, ms, duration_format, why);
    else if (is_number(text) && !field->is_secret)
        snprintf(why, CONFIG_WHY_MAX, "\"%s\" must have a unit, as in 30s, got the bare number %s",
                 field->name, config__quote(text).text);
    else if (status == STATUS_RANGE)
        tell(field, text, "must be a shorter duration", why);
    else if (field->allow_off)
        tell(field, text, "must be off, or a duration such as 250ms, 5s, 10m, 1h or 1d", why);
    else
        tell(field, text, duration_rule, why);
    if (!status)
        *member = ms;
    return status;
}

static enum status store_size(const struct config_field *field, struct slice text, uint64_t *member,
                              char *why) {
    uint64_t bytes = 0;
    enum status status = size_parse(text, &bytes);
    if (!status)
        status = check_range(field, text, bytes, size_format, why);
    else
        tell(field, text, status == STATUS_RANGE ? "must be a smaller size" : size_rule, why);
    if (!status)
        *member = bytes;
    return status;
}

static enum status store_enum(const struct config_field *field, struct slice text, int *member,
                              char *why) {
    for (const struct config_choice *choice = field->choices; choice->name; choice++) {
        if (slice_is(text, choice->name)) {
            *member = choice->value;
            return STATUS_OK;
        }
    }
    char rule[CONFIG_WHY_MAX - 24] = "must be ";
    value_choices(field, "or", rule + strlen(rule), sizeof(rule) - strlen(rule));
    tell(field, text, rule, why);
    return STATUS_SYNTAX;
}

void value_choices(const struct config_field *field, const char *last_word, char *out,
                   size_t room) {
    size_t size = 0;
    out[0] = '\0';
    for (const struct config_choice *choice = field->choices; choice->name; choice++) {
        const char *before = choice == field->choices ? "" : choice[1].name ? ", " : " ";
        bool is_last = choice != field->choices && !choice[1].name;
        int length = snprintf(out + size, room - size, "%s%s%s%s", before, is_last ? last_word : "",
                              is_last ? " " : "", choice->name);
        if (length < 0 || (size_t)length >= room - size)
            return;
        size += (size_t)length;
    }
}

/* ---- hints ---------------------------------------------------------------------------------- */

static void hint_size(struct slice text, struct config_diag *diag) {
    static const char *const units[][2] = {{"KB", "KiB"}, {"kB", "KiB"}, {"K", "KiB"},
                                           {"k", "KiB"},  {"MB", "MiB"}, {"M", "MiB"},
                                           {"GB", "GiB"}, {"G", "GiB"}};
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        struct slice unit = slice_of(units[i][0]);
        struct slice number = {text.bytes, text.size > unit.size ? text.size - unit.size : 0};
        if (slice_ends_with(text, unit) && is_number(number)) {
            config_hint(diag, "did you mean \"" SLICE_FMT "%s\"?", SLICE_ARG(number), units[i][1]);
            return;
        }
    }
}

void value_hint(const struct config_field *field, struct slice text, struct config_diag *diag) {
    const char *names[64];
    size_t count = 0;
    if (field->is_secret)
        return;
    if (field->type == CONFIG_ENUM) {
        for (const struct config_choice *choice = field->choices;
             choice->name && count < ARRAY_SIZE(names); choice++)
            names[count++] = choice->name;
        config_hint_nearest(diag, text, names, count);
    } else if (field->type == CONFIG_DURATION && is_number(text) && text.bytes[0] != '-') {
        config_hint(diag, "did you mean \"%ss\"?", config__quote(text).text);
    } else if (field->type == CONFIG_SIZE) {
        hint_size(text, diag);
    }
}

/* ---- defaults and spelling ------------------------------------------------------------------ */

static struct slice unquote(struct slice text) {
    text = slice_trim(text);
    bool is_quoted = text.size >= 2 && (text.bytes[0] == '"' || text.bytes[0] == '\'') &&
                     text.bytes[text.size - 1] == text.bytes[0];
    return is_quoted ? (struct slice){text.bytes + 1, text.size - 2} : text;
}

enum status value_split(const char *dflt, struct arena *arena, struct config_texts *out) {
    struct slice rest = slice_trim(slice_of(dflt));
    bool is_list = rest.size >= 2 && rest.bytes[0] == '[' && rest.bytes[rest.size - 1] == ']';
    if (is_list)
        rest = slice_trim((struct slice){rest.bytes + 1, rest.size - 2});
    size_t count = 1;
    for (size_t i = 0; is_list && i < rest.size; i++)
        count += rest.bytes[i] == ',';
    struct slice *items = arena_alloc(arena, count * sizeof(*items));
    if (!items)
        return STATUS_NO_MEMORY;
    *out = (struct config_texts){items, 0};
    if (is_list && rest.size == 0)
        return STATUS_OK;
    for (; out->count < count; out->count++)
        items[out->count] = unquote(is_list ? slice_cut(rest, ',', &rest) : rest);
    return STATUS_OK;
}

static enum status spell_number(const struct config_field *field, const void *member,
                                struct arena *arena, struct slice *text) {
    char room[BASE_TEXT_MAX];
    struct slice spelt;
    if (field->type == CONFIG_U32) {
        int length = snprintf(room, sizeof(room), "%u", (unsigned)*(const uint32_t *)member);
        spelt = (struct slice){room, (size_t)length};
    } else if (field->type == CONFIG_SIZE) {
        spelt = size_format(*(const uint64_t *)member, room);
    } else if (field->allow_off && *(const uint64_t *)member == 0) {
        spelt = SLICE("off");
    } else {
        spelt = duration_format(*(const uint64_t *)member, room);
    }
    return arena_copy(arena, spelt, text);
}

static enum status spell_texts(const struct config_texts *texts, struct arena *arena,
                               struct slice *text) {
    size_t size = 0;
    for (size_t i = 0; i < texts->count; i++)
        size += texts->items[i].size + 1;
    char *joined = arena_bytes(arena, size + 1);
    if (!joined)
        return STATUS_NO_MEMORY;
    size = 0;
    for (size_t i = 0; i < texts->count; i++) {
        if (i > 0)
            joined[size++] = ',';
        if (texts->items[i].size)
            memcpy(joined + size, texts->items[i].bytes, texts->items[i].size);
        size += texts->items[i].size;
    }
    *text = (struct slice){joined, size};
    return STATUS_OK;
}

enum status config_spell(const struct config_field *field, const void *out, struct arena *arena,
                         struct slice *text) {
    const void *member = (const char *)out + field->offset;
    const struct config_choice *choice = field->choices;
    int8_t truth = 0;
    if (field->is_secret && field->type <= CONFIG_FILE) {
        *text = SLICE("***");
        return STATUS_OK;
    }
    switch (field->type) {
        case CONFIG_TEXT:
        case CONFIG_FILE:
            *text = *(const struct slice *)member;
            return STATUS_OK;
        case CONFIG_BOOL:
        case CONFIG_TRISTATE:
            truth = field->type == CONFIG_BOOL ? *(const bool *)member : *(const int8_t *)member;
            *text = truth < 0 ? SLICE("") : truth ? SLICE("true") : SLICE("false");
            return STATUS_OK;
        case CONFIG_U32:
        case CONFIG_DURATION:
        case CONFIG_SIZE:
            return spell_number(field, member, arena, text);
        case CONFIG_ENUM:
            while (choice->name && choice->value != *(const int *)member)
                choice++;
            *text = slice_of(choice->name ? choice->name : "");
            return STATUS_OK;
        case CONFIG_TEXTS:
            return spell_texts(member, arena, text);
        case CONFIG_PAIRS:
        case CONFIG_STRUCT:
        case CONFIG_SPECIAL:
            break;
    }
    return STATUS_TYPE;
}
