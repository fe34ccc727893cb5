/* Trees: kinds, marks, anchors, merges, bounds, and running out of memory. */
#include "config/config.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/config/parse_help.h"
#include "tests/unit/fail_alloc.h"

#include <stdio.h>
#include <stdlib.h>

static void assert_mark(struct config_mark mark, unsigned line, unsigned column) {
    assert_string_equal(mark.file, "in.yaml");
    assert_int_equal(mark.line, line);
    assert_int_equal(mark.column, column);
}

static void assert_text(const struct config_node *node, const char *text) {
    assert_non_null(node);
    assert_int_equal(node->kind, CONFIG_SCALAR);
    assert_int_equal(node->text.size, strlen(text));
    assert_string_equal(node->text.bytes, text);
}

static void kinds_and_order_are_kept(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root =
        parse(&in, "b: [1, '2']\na:\n  x: |\n    one\n    two\n  y: \"\\x41\\n\"\n")->root;
    assert_non_null(root);
    assert_int_equal(root->kind, CONFIG_MAP);
    assert_int_equal(root->count, 2);
    assert_text(root->keys[0], "b");
    assert_text(root->keys[1], "a");
    assert_false(root->is_flow);
    const struct config_node *list = config_get(root, "b");
    assert_int_equal(list->kind, CONFIG_LIST);
    assert_true(list->is_flow);
    assert_true(list->items[0]->is_plain);
    assert_false(list->items[1]->is_plain);
    assert_text(list->items[1], "2");
    assert_text(config_get(config_get(root, "a"), "x"), "one\ntwo\n");
    assert_text(config_get(config_get(root, "a"), "y"), "A\n");
    assert_null(config_get(root, "c"));
    assert_null(config_get(list, "a"));
    assert_null(config_get(NULL, "a"));
    parsed_free(&in);
}

static void columns_count_characters(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root = parse(&in, "\xef\xbb\xbf{é: 日本, ß: [ü, x]}\r\n")->root;
    assert_mark(root->mark, 1, 1);
    assert_mark(root->keys[0]->mark, 1, 2);
    assert_mark(root->items[0]->mark, 1, 5);
    assert_mark(root->keys[1]->mark, 1, 9);
    assert_mark(root->items[1]->items[1]->mark, 1, 16);
    parsed_free(&in);
}

static void lines_break_at_lf_crlf_and_cr_only(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root =
        parse(&in, "a: 1\r\nb: 2\rc: 3\nd: \"\xe2\x80\xa8\"\ne: 5\n")->root;
    assert_mark(root->keys[1]->mark, 2, 1);
    assert_mark(root->keys[2]->mark, 3, 1);
    assert_mark(root->keys[4]->mark, 5, 1);
    parsed_free(&in);
}

static void an_empty_value_knows_its_place_and_its_comment(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root = parse(&in, "a: #general\nb:\nc: ''\n")->root;
    assert_true(root->items[0]->is_cut);
    assert_mark(root->items[0]->mark, 1, 4);
    assert_false(root->items[1]->is_cut);
    assert_true(config_is_null(root->items[1]));
    assert_false(config_is_null(root->items[2]));
    parsed_free(&in);
}

static void an_empty_document_is_a_null_scalar(void **state) {
    (void)state;
    const char *const documents[] = {"", "# nothing\n", "---\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
        struct parsed in;
        assert_true(config_is_null(parse(&in, documents[i])->root));
        parsed_free(&in);
    }
    struct parsed in;
    parse(&in, "");
    assert_non_null(config_parse(SLICE_NONE, "in.yaml", &in.arena, &in.diag));
    parsed_free(&in);
}

static void aliases_share_the_node_of_their_anchor(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root =
        parse(&in, "a: &x {k: v}\nb: *x\nc: &x other\nd: *x\n&key e: 1\n*key : 2\n")->root;
    assert_null(root); /* the last two are twins */
    assert_int_equal(in.diag.errors, 1);
    parsed_free(&in);
    root = parse(&in, "a: &x {k: v}\nb: *x\nc: &x other\nd: *x\n")->root;
    assert_ptr_equal(config_get(root, "b"), config_get(root, "a"));
    assert_text(config_get(root, "d"), "other");
    assert_mark(config_get(root, "a")->mark, 1, 7);
    assert_mark(config_get(root, "d")->mark, 3, 7);
    parsed_free(&in);
}

static void properties_before_a_value_do_not_move_its_mark(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root = parse(&in, "a: &x # why\n  text\nb: &y\n  - c\n")->root;
    assert_mark(config_get(root, "a")->mark, 2, 3);
    assert_true(slice_is(config_get(root, "a")->source, "text"));
    parsed_free(&in);
}

static void merges_fill_in_what_is_not_there(void **state) {
    (void)state;
    struct parsed in;
    const struct config_node *root = parse(&in, "x: &x {a: 1, b: 1}\n"
                                                "y: &y {b: 2, c: 2}\n"
                                                "z: {c: 3, <<: [*x, *y], d: 3}\n"
                                                "q: {<<: *x, \"<<\": text}\n")
                                         ->root;
    const struct config_node *z = config_get(root, "z");
    assert_int_equal(z->count, 4);
    assert_text(config_get(z, "a"), "1");
    assert_text(config_get(z, "b"), "1");
    assert_text(config_get(z, "c"), "3");
    assert_text(config_get(z, "d"), "3");
    const struct config_node *q = config_get(root, "q");
    assert_int_equal(q->count, 3);
    assert_text(config_get(q, "<<"), "text");
    parsed_free(&in);
}

static void many_twins_are_all_told(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "{c: 1, a: 1, b: 1, a: 2, c: 2, a: 3}");
    assert_null(in.root);
    assert_int_equal(in.diag.errors, 3);
    config_diag_sort(&in.diag);
    assert_int_equal(in.diag.messages[0].mark.column, 20);
    assert_int_equal(in.diag.messages[0].note_mark.column, 8);
    parsed_free(&in);
}

static char *repeated(const char *begin, const char *part, size_t count, const char *end) {
    char *text = malloc(strlen(begin) + count * strlen(part) + strlen(end) + 1);
    assert_non_null(text);
    char *at = stpcpy(text, begin);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, part);
    strcpy(at, end);
    return text;
}

static void assert_refused(const char *yaml, const char *part) {
    struct parsed in;
    parse(&in, yaml);
    assert_null(in.root);
    assert_int_equal(in.diag.errors, 1);
    if (!strstr(in.diag.messages[0].text, part))
        fail_msg("found: %s", in.diag.messages[0].text);
    parsed_free(&in);
}

static void depth_is_bounded_through_aliases_too(void **state) {
    (void)state;
    char *deep = repeated("", "[", CONFIG_DEPTH + 2, "");
    assert_refused(deep, "nest at most");
    free(deep);
    struct buffer chain;
    buffer_init(&chain, 0);
    assert_int_equal(buffer_printf(&chain, "- &a0 x\n"), STATUS_OK);
    for (int i = 1; i < CONFIG_DEPTH + 2; i++)
        assert_int_equal(buffer_printf(&chain, "- &a%d [*a%d]\n", i, i - 1), STATUS_OK);
    assert_int_equal(buffer_append(&chain, (struct slice){"", 1}), STATUS_OK);
    assert_refused(chain.bytes, "aliases counted");
    buffer_deinit(&chain);
    struct parsed in;
    deep = repeated("", "[", CONFIG_DEPTH, "");
    char *whole = repeated(deep, "]", CONFIG_DEPTH, "");
    assert_non_null(parse(&in, whole)->root);
    parsed_free(&in);
    free(whole);
    free(deep);
}

static void aliases_cannot_blow_a_file_up(void **state) {
    (void)state;
    assert_refused("- &a [x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x,x]\n"
                   "- &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
                   "- &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
                   "- &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
                   "aliases must add");
}

static void a_file_that_is_too_long_is_refused(void **state) {
    (void)state;
    char *text = repeated("", "# a long comment\n", CONFIG_FILE_BYTES / 17 + 1, "");
    assert_refused(text, "bytes long");
    free(text);
}

static void a_text_may_look_like_a_comment(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "a: '# ${x}'\n"
               "b: \"# ${x}\"\n"
               "c: |\n  # ${x}\n  y\n"
               "d: >-\n  # ${x}\n\n"
               "e: x#${x}\n"
               "f: '\n  # ${x}'\n"
               "g: [\"# ${x}\", x]\n"
               "? |\n  # ${x}\n: y # plain\n");
    assert_int_equal(in.diag.errors, 0);
    assert_non_null(in.root);
    parsed_free(&in);
}

static void comments_are_found_between_all_kinds_of_values(void **state) {
    (void)state;
    struct parsed in;
    parse(&in, "# ${x}\n"
               "a: 'it''s' # ${x}\n"
               "b: |- # ${x}\n  y\n"
               "# ${x}\n"
               "c: [x, # ${x}\n  y]\n"
               "d: &x # ${x}\n  z\n"
               "e: # ${x}\n"
               "... # ${x}\n");
    assert_int_equal(in.diag.errors, 8);
    parsed_free(&in);
}

static void every_prefix_of_a_document_is_told_or_read(void **state) {
    (void)state;
    static const char yaml[] = "a: &x {k: \"v\\u00e9\", l: 'it''s'}\nb:\n  - *x\n  - |\n    ${t}\n"
                               "  - [1, ~, {<<: *x}] # é\n? c\n: !!str d\n";
    for (size_t size = 0; size < sizeof(yaml); size++) {
        char *copy = malloc(size + 1); /* of its own, so that reading past it is seen */
        assert_non_null(copy);
        memcpy(copy, yaml, size);
        struct arena arena;
        struct config_diag diag;
        arena_init(&arena, 1024, 0);
        config_diag_init(&diag, &arena);
        const struct config_node *root =
            config_parse((struct slice){copy, size}, "in.yaml", &arena, &diag);
        assert_true((root == NULL) == (diag.errors > 0));
        free(copy);
        arena_deinit(&arena);
    }
}

static void without_memory_parsing_fails_and_says_so(void **state) {
    (void)state;
    char *yaml = repeated("a: &x {k: v, k: w}\nb: [*x, *y, !t z] # ${c}\nd:\n",
                          "  - {some: &a value, other: *a}\n", 50, "c: @\n");
    struct arena arena;
    struct config_diag diag;
    const struct config_node *root = NULL;
    char first[CONFIG_MESSAGES_MAX * sizeof(struct config_message) + 256]
        __attribute__((aligned(16)));
    size_t runs = 0;
    FAIL_EACH_ALLOCATION(
        {
            arena_init_with(&arena, first, sizeof(first), 64, 0);
            config_diag_init(&diag, &arena);
            root = config_parse(slice_of(yaml), "in.yaml", &arena, &diag);
            arena_deinit(&arena);
            assert_null(root);
            assert_int_not_equal(diag.errors, 0);
            runs++;
        },
        diag.errors == 5);
    free(yaml);
    assert_true(runs > 10);
}

static void a_limited_arena_fails_cleanly_at_any_size(void **state) {
    (void)state;
    for (size_t limit = 1; limit < 20000; limit += 61) {
        struct arena arena;
        struct config_diag diag;
        arena_init(&arena, 256, limit);
        config_diag_init(&diag, &arena);
        const struct config_node *root =
            config_parse(SLICE("a: [x, {b: c}]\n"), "in.yaml", &arena, &diag);
        assert_true((root == NULL) == (diag.errors > 0));
        arena_deinit(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_and_order_are_kept),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(lines_break_at_lf_crlf_and_cr_only),
        cmocka_unit_test(an_empty_value_knows_its_place_and_its_comment),
        cmocka_unit_test(an_empty_document_is_a_null_scalar),
        cmocka_unit_test(aliases_share_the_node_of_their_anchor),
        cmocka_unit_test(properties_before_a_value_do_not_move_its_mark),
        cmocka_unit_test(merges_fill_in_what_is_not_there),
        cmocka_unit_test(many_twins_are_all_told),
        cmocka_unit_test(depth_is_bounded_through_aliases_too),
        cmocka_unit_test(aliases_cannot_blow_a_file_up),
        cmocka_unit_test(a_file_that_is_too_long_is_refused),
        cmocka_unit_test(a_text_may_look_like_a_comment),
        cmocka_unit_test(comments_are_found_between_all_kinds_of_values),
        cmocka_unit_test(every_prefix_of_a_document_is_told_or_read),
        cmocka_unit_test(without_memory_parsing_fails_and_says_so),
        cmocka_unit_test(a_limited_arena_fails_cleanly_at_any_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
