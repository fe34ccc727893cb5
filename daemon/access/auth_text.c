/* Token files and user files as text. Tokens are kept as digests only. Empty lines, and lines that
 * begin with `#`, say nothing. */
#include "access/auth.h"

#define HASH_MAX 255 /* of what crypt(3) writes */

struct lines {
    struct slice rest;
    size_t number;
};

static bool next_line(struct lines *lines, struct slice *line) {
    while (lines->rest.size) {
        *line = slice_trim(slice_cut(lines->rest, '\n', &lines->rest));
        lines->number++;
        if (line->size && line->bytes[0] != '#')
            return true;
    }
    return false;
}

static size_t count_lines(struct slice text) {
    struct lines lines = {.rest = text};
    struct slice line;
    size_t count = 0;
    while (next_line(&lines, &line))
        count++;
    return count;
}

static enum status take_token(struct slice line, size_t number, struct arena *arena,
                              struct token *out, struct auth_fault *fault) {
    size_t end = 0, size = 0;
    while (end < line.size && line.bytes[end] != ' ' && line.bytes[end] != '\t')
        end++;
    struct slice token = {line.bytes, end};
    struct slice label = slice_trim((struct slice){line.bytes + end, line.size - end});
    if (slice_starts_with(token, SLICE("sha256:"))) {
        struct slice hex = {token.bytes + 7, token.size - 7};
        if (hex.size != 2 * sizeof out->digest || crypto_hex_decode(hex, out->digest, &size)) {
            fault->why = "sha256: must be followed by 64 hexadecimal digits";
            return STATUS_SYNTAX;
        }
    } else {
        (void)crypto_digest(CRYPTO_SHA256, token, out->digest);
    }
    if (label.size)
        return arena_copy(arena, label, &out->label);
    const char *made = arena_printf(arena, "token-%zu", number);
    out->label = slice_of(made);
    return made ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status tokens__parse(struct slice text, struct arena *arena, struct tokens *out,
                          struct auth_fault *fault) {
    struct lines lines = {.rest = text};
    struct slice line;
    struct tokens tokens = {.items = arena_zalloc(arena, count_lines(text) * sizeof *tokens.items)};
    if (!tokens.items)
        return STATUS_NO_MEMORY;
    while (next_line(&lines, &line)) {
        fault->line = lines.number;
        enum status status =
            take_token(line, lines.number, arena, &tokens.items[tokens.count++], fault);
        if (status)
            return status;
    }
    *out = tokens;
    return STATUS_OK;
}

static enum status take_user(struct slice line, const struct access_auth *known,
                             struct arena *arena, struct user *out, const char **why) {
    struct slice hash, name = slice_cut(line, ':', &hash);
    struct slice rest, only = slice_cut(hash, ':', &rest);
    *why = NULL;
    if (!name.size || !only.size)
        *why = "a user is written name:hash";
    else if (only.size > HASH_MAX || !crypto_password_hash_is_known(only))
        *why = "crypt(3) does not know this kind of hash; htpasswd -B writes one that it knows";
    for (size_t i = 0; i < known->user_count && !*why; i++)
        if (slice_equal(known->users[i].name, name))
            *why = "this name stands in the file twice";
    if (*why)
        return STATUS_SYNTAX;
    if (arena_copy(arena, name, &out->name) || arena_copy(arena, only, &out->hash))
        return STATUS_NO_MEMORY;
    return STATUS_OK;
}

enum status users__parse(struct slice text, struct arena *arena, struct access_auth *out,
                         struct auth_fault *fault) {
    struct lines lines = {.rest = text};
    struct slice line;
    struct access_auth found = {.users =
                                    arena_zalloc(arena, count_lines(text) * sizeof *found.users)};
    if (!found.users)
        return STATUS_NO_MEMORY;
    while (next_line(&lines, &line)) {
        fault->line = lines.number;
        enum status status =
            take_user(line, &found, arena, &found.users[found.user_count], &fault->why);
        if (status)
            return status;
        found.user_count++;
    }
    out->users = found.users;
    out->user_count = found.user_count;
    return STATUS_OK;
}
