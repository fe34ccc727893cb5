/* Answers as people read them: tables, members, and the few that have a form of their own. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "manager/manager.h"

#define COLUMNS_MAX 16
#define CELL_MAX    60 /* characters; what is longer is cut, -o json has all */

enum cell_kind { CELL_PLAIN, CELL_TIME, CELL_SIZE };
struct column {
    char *member;
    enum cell_kind kind;
    size_t width;
};

/* ---- texts ----------------------------------------------------------------------------------- */

static size_t length_of(const char *text) {
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xC0) != 0x80;
    return count;
}

/* `42s`, `5m`, `3h`, `2d` and what is left of it. */
static void spell_span(uint64_t seconds, char *out, size_t room) {
    if (seconds < 60)
        (void)snprintf(out, room, "%llus", (unsigned long long)seconds);
    else if (seconds < 3600)
        (void)snprintf(out, room, "%llum %llus", (unsigned long long)(seconds / 60),
                       (unsigned long long)(seconds % 60));
    else if (seconds < 86400)
        (void)snprintf(out, room, "%lluh %llum", (unsigned long long)(seconds / 3600),
                       (unsigned long long)(seconds / 60 % 60));
    else
        (void)snprintf(out, room, "%llud %lluh", (unsigned long long)(seconds / 86400),
                       (unsigned long long)(seconds / 3600 % 24));
}

char *age_of(const char *rfc3339) {
    struct tm tm = {0};
    char span[64];
    const char *end = strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!end)
        return base_strdup(slice_of(rfc3339));
    uint64_t then_s = (uint64_t)timegm(&tm);
    uint64_t now_s = clock_system.wall_ms(&clock_system) / 1000;
    spell_span(now_s > then_s ? now_s - then_s : 0, span, sizeof span);
    size_t size = strlen(span) + sizeof " ago";
    char *text = base_alloc(size);
    (void)snprintf(text, size, "%s ago", span);
    return text;
}

static char *spell_size(uint64_t bytes) {
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    char text[64];
    double size = (double)bytes;
    size_t unit = 0;
    while (size >= 1024 && unit + 1 < ARRAY_SIZE(units)) {
        size /= 1024;
        unit++;
    }
    (void)snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
    return base_strdup(slice_of(text));
}

static char *spell_list(const json_t *list);
static void spell_real(double number, char *text, size_t size);

/* The caller frees it. */
static char *spell(const json_t *value, enum cell_kind kind) {
    char text[64];
    if (!value || json_is_null(value))
        return base_strdup(SLICE(""));
    if (json_is_string(value))
        return kind == CELL_TIME ? age_of(json_string_value(value))
                                 : base_strdup(slice_of(json_string_value(value)));
    if (json_is_boolean(value))
        return base_strdup(json_is_true(value) ? SLICE("yes") : SLICE("no"));
    if (json_is_integer(value) && kind == CELL_SIZE)
        return spell_size((uint64_t)json_integer_value(value));
    if (json_is_integer(value))
        (void)snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        spell_real(json_real_value(value), text, sizeof text);
    else
        return json_is_array(value) ? spell_list(value)
                                    : json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
    return base_strdup(slice_of(text));
}

/* With as few digits as read back to the same number. */
static void spell_real(double number, char *text, size_t size) {
    int digits = 15;
    do
        (void)snprintf(text, size, "%.*g", digits, number);
    while (strtod(text, NULL) != number && ++digits <= 17);
}

static char *spell_list(const json_t *list) {
    struct buffer out;
    buffer_init(&out, 0);
    for (size_t i = 0; i < json_array_size(list); i++) {
        char *item = spell(json_array_get(list, i), CELL_PLAIN);
        if (buffer_printf(&out, "%s%s", i ? ", " : "", item))
            abort(); /* as all that is fixed at start-up */
        free(item);
    }
    char *text = base_strdup(buffer_slice(&out));
    buffer_deinit(&out);
    return text;
}

/* A peer's control characters must not reach the terminal. */
static void print_plain(const char *text) {
    for (; *text; text++) {
        bool is_c1 = (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] >= 0x80 &&
                     (unsigned char)text[1] < 0xa0; /* U+0080 .. U+009F */
        text += is_c1;
        (void)putchar(is_c1 || (unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
    }
}

/* ---- tables ---------------------------------------------------------------------------------- */

static size_t read_columns(const char *text, struct column *columns) {
    struct slice rest = slice_of(text), kind;
    size_t count = 0;
    while (rest.size && count < COLUMNS_MAX) {
        struct slice item = slice_cut(rest, ' ', &rest);
        columns[count].member = base_strdup(slice_cut(item, ':', &kind));
        columns[count].kind = slice_is(kind, "time")   ? CELL_TIME
                              : slice_is(kind, "size") ? CELL_SIZE
                                                       : CELL_PLAIN;
        columns[count].width = strlen(columns[count].member);
        count++;
    }
    return count;
}

/* A cell as it is shown, cut where it is too long. The last of a row may be as long as it likes. */
static char *cell(const json_t *row, const struct column *column, bool is_last) {
    char *text = spell(json_object_get(row, column->member), column->kind);
    size_t count = 0;
    for (char *at = text; *at && !is_last; at++) {
        bool begins = ((unsigned char)*at & 0xC0) != 0x80;
        if (begins && ++count > CELL_MAX - 3) {
            size_t left = length_of(at);
            if (left > 3) {
                struct slice head = {text, (size_t)(at - text)};
                char *cut = base_alloc(head.size + 4);
                (void)snprintf(cut, head.size + 4, SLICE_FMT "...", SLICE_ARG(head));
                free(text);
                return cut;
            }
            break;
        }
    }
    return text;
}

static void print_cell(const char *text, size_t width, bool is_last) {
    print_plain(text);
    if (!is_last)
        (void)printf("%*s", (int)(width - length_of(text)) + 2, "");
}

static void print_head(const struct column *columns, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *name = base_strdup(slice_of(columns[i].member));
        for (char *at = name; *at; at++)
            *at = *at == '_' ? ' ' : *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
        print_cell(name, columns[i].width, i + 1 == count);
        free(name);
    }
    (void)putchar('\n');
}

void print_table(const json_t *rows, const char *text) {
    struct column columns[COLUMNS_MAX];
    size_t count = read_columns(text, columns), row_count = json_array_size(rows);
    char **cells = base_alloc((row_count * count + 1) * sizeof *cells);
    for (size_t r = 0; r < row_count; r++)
        for (size_t i = 0; i < count; i++) {
            char *one = cell(json_array_get(rows, r), &columns[i], i + 1 == count);
            size_t width = length_of(one);
            columns[i].width = width > columns[i].width ? width : columns[i].width;
            cells[r * count + i] = one;
        }
    print_head(columns, count);
    for (size_t r = 0; r < row_count; r++) {
        for (size_t i = 0; i < count; i++) {
            print_cell(cells[r * count + i], columns[i].width, i + 1 == count);
            free(cells[r * count + i]);
        }
        (void)putchar('\n');
    }
    for (size_t i = 0; i < count; i++)
        free(columns[i].member);
    free(cells);
}

/* ---- members --------------------------------------------------------------------------------- */

static size_t widest(const json_t *object, size_t before) {
    const char *name;
    json_t *value;
    size_t width = 0;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        bool is_nested = json_is_object(value) && strcmp(name, "config") != 0;
        size_t own = is_nested ? widest(value, before + strlen(name) + 1) : before + strlen(name);
        width = own > width ? own : width;
    }
    return width;
}

static void print_config(const json_t *config) {
    char *text = json_dumps(config, JSON_INDENT(2));
    (void)printf("config\n");
    for (struct slice rest = slice_of(text), line; rest.size;) {
        line = slice_cut(rest, '\n', &rest);
        (void)printf("  " SLICE_FMT "\n", SLICE_ARG(line));
    }
    free(text);
}

static void print_level(const json_t *object, const char *before, size_t width) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        if (strcmp(name, "config") == 0 && json_is_object(value)) {
            print_config(value);
            continue;
        }
        char path[512];
        (void)snprintf(path, sizeof path, "%s%s%s", before, before[0] ? "." : "", name);
        if (json_is_object(value) && json_object_size(value)) {
            print_level(value, path, width);
            continue;
        }
        char *text = json_is_object(value) ? base_strdup(SLICE("")) : spell(value, CELL_PLAIN);
        if (strcmp(path, "uptime") == 0 && json_is_integer(value)) {
            char span[64];
            spell_span((uint64_t)json_integer_value(value), span, sizeof span);
            free(text);
            text = base_strdup(slice_of(span));
        }
        print_cell(path, width, false);
        print_plain(text);
        (void)putchar('\n');
        free(text);
    }
}

void print_members(const json_t *object) { print_level(object, "", widest(object, 0)); }
