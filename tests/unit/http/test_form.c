/* Forms: multipart bodies part by part, their delimiters, names and bounds; fields of both kinds.
 */
#include <stdio.h>
#include "tests/unit/http/http_test.h"

#define TYPE        "multipart/form-data; boundary=XX"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define FILE_(name) "Content-Disposition: form-data; name=\"f\"; filename=" name "\r\n\r\n"

/* Walks all parts of an exact copy; the content of the last is checked. Returns the last status. */
static enum status walk(const char *type, struct slice body, size_t *count, struct arena *arena) {
    struct slice copy = exact(body);
    struct http_multipart parts;
    struct http_part part;
    *count = 0;
    enum status status = http_multipart_begin(&parts, slice_of(type), copy);
    while (status == STATUS_OK) {
        status = http_multipart_next(&parts, arena, &part);
        *count += status == STATUS_OK;
    }
    drop(copy);
    return status;
}

static struct arena arena;

static int set_up(void **state) {
    (void)state;
    arena_init(&arena, 4096, 0);
    return 0;
}
static int tear_down(void **state) {
    (void)state;
    arena_deinit(&arena);
    return 0;
}

/* proves S9 */
static void fields_and_files_are_read_byte_for_byte(void **state) {
    (void)state;
    struct slice body = SLICE("preamble\r\n--XX \t\r\n" FIELD(
        "a") "one\r\n--XX\r\n"
             "content-type: image/png\r\n"
             "Content-Disposition: form-data; name=f; filename=\"x.png\"\r\n\r\n"
             "\0\r\n--X\r\n--XXY\r\n--XX-\r\n\xff\r\n--XX--\r\nepilogue");
    struct http_multipart parts;
    struct http_part part;
    assert_int_equal(http_multipart_begin(&parts, SLICE(TYPE), body), STATUS_OK);
    assert_int_equal(http_multipart_next(&parts, &arena, &part), STATUS_OK);
    assert_slice(part.name, "a");
    assert_slice(part.content, "one");
    assert_false(part.is_file);
    assert_int_equal(part.type.size, 0);
    assert_int_equal(http_multipart_next(&parts, &arena, &part), STATUS_OK);
    assert_slice(part.name, "f");
    assert_slice(part.filename, "x.png");
    assert_slice(part.type, "image/png");
    assert_true(part.is_file);
    assert_true(slice_equal(part.content, SLICE("\0\r\n--X\r\n--XXY\r\n--XX-\r\n\xff")));
    assert_int_equal(http_multipart_next(&parts, &arena, &part), STATUS_NOT_FOUND);
    assert_int_equal(http_multipart_next(&parts, &arena, &part), STATUS_NOT_FOUND);
}

static void empty_parts_and_empty_forms_are_good(void **state) {
    (void)state;
    static const struct {
        struct slice body;
        size_t count;
    } cases[] = {{SLICE("--XX--"), 0},
                 {SLICE("--XX--\r\n"), 0},
                 {SLICE("\r\n--XX--"), 0},
                 {SLICE("--XX\n" FIELD("a") "all preamble\r\n--XX--"), 0},
                 {SLICE("--XX\r\n" FIELD("a") "\r\n--XX--"), 1},
                 {SLICE("--XX\r\nContent-Disposition: form-data; name=a;\r\n\r\n--XX--"), 1},
                 {SLICE("--XX\r\n" FIELD("") "\r\n--XX\r\n" FIELD("b") "\r\n\r\n--XX-- "), 2}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t count;
        assert_int_equal(walk(TYPE, cases[i].body, &count, &arena), STATUS_NOT_FOUND);
        assert_int_equal(count, cases[i].count);
    }
}

static void every_cut_of_a_form_is_an_error(void **state) {
    (void)state;
    struct slice whole = SLICE("--XX\r\n" FIELD("a") "one\r\n--XX\r\n" FILE_("x") "two\r\n--XX--");
    size_t count;
    for (size_t size = 0; size < whole.size; size++)
        assert_int_equal(walk(TYPE, (struct slice){whole.bytes, size}, &count, &arena),
                         STATUS_SYNTAX);
    assert_int_equal(walk(TYPE, whole, &count, &arena), STATUS_NOT_FOUND);
    assert_int_equal(count, 2);
}

static void malformed_parts_are_refused(void **state) {
    (void)state;
    static const char *const bads[] = {
        "--XX\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Type: a/b\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name=a; filename=b; filename=c\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name=\"a\\\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name=\"a\"b\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name\r\n\r\nx\r\n--XX--",
        "--XX\r\n" FIELD("a\x01") "x\r\n--XX--",
        "--XX\r\nContent-Disposition : form-data; name=a\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nx\r\n--XX--",
        "--XX\r\nContent-Disposition: form-data; name=a\r\n"
        "Content-Disposition: form-data; name=b\r\n\r\nx\r\n--XX--",
        "--XX\r\n" FIELD("a") "x\n--XX--",
        "--XX\r\n" FIELD("a") "x\r\n--XX--y",
        "--XXY\r\n" FIELD("a") "x\r\n--XXY--",
        "x--XX\r\n" FIELD("a") "x",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bads); i++) {
        size_t count;
        if (walk(TYPE, slice_of(bads[i]), &count, &arena) != STATUS_SYNTAX)
            fail_msg("passed: %s", bads[i]);
    }
}

static void boundaries_come_from_the_content_type(void **state) {
    (void)state;
    static const struct {
        const char *type;
        enum status status;
    } cases[] = {
        {"multipart/form-data; boundary=XX", STATUS_NOT_FOUND},
        {"Multipart/Form-Data ;charset=utf-8; BOUNDARY=\"XX\";", STATUS_NOT_FOUND},
        {"multipart/form-data;boundary=XX;", STATUS_NOT_FOUND},
        {"multipart/mixed; boundary=XX", STATUS_TYPE},
        {"text/plain", STATUS_TYPE},
        {"", STATUS_TYPE},
        {"multipart/form-data", STATUS_SYNTAX},
        {"multipart/form-data; boundary=", STATUS_SYNTAX},
        {"multipart/form-data; boundary=\"\"", STATUS_SYNTAX},
        {"multipart/form-data; boundary=\"XX", STATUS_SYNTAX},
        {"multipart/form-data; boundary=\"XX \"", STATUS_SYNTAX},
        {"multipart/form-data; boundary=X X", STATUS_SYNTAX},
        {"multipart/form-data; boundary=XX; boundary=YY", STATUS_SYNTAX},
        {"multipart/form-data; boundary=\"X\\X\"", STATUS_SYNTAX},
        {"multipart/form-data; boundary=0123456789012345678901234567890123456789"
         "0123456789012345678901234567890",
         STATUS_SYNTAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t count;
        enum status status =
            walk(cases[i].type, SLICE("--XX\r\n" FIELD("a") "1\r\n--XX--"), &count, &arena);
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].type, status);
    }
}

/* proves S9 */
static void filenames_lose_their_directories_and_escapes(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\"a.txt\"", "a.txt"},
        {"a.txt", "a.txt"},
        {"\"/etc/passwd\"", "passwd"},
        {"\"..\\\\..\\\\x.exe\"", "x.exe"},
        {"\"C:\\dir\\file.txt\"", "file.txt"},
        {"\"..\"", ""},
        {"\"a/..\"", ""},
        {"\"a/\"", ""},
        {"\"\"", ""},
        {"\"a \\\"b\\\" %22c%22 %20.txt\"", "a \"b\" \"c\" %20.txt"},
        {"\"\xc3\xa4;x.txt\"", "\xc3\xa4;x.txt"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char body[256];
        struct http_part part;
        int size = snprintf(body, sizeof body, "--XX\r\n" FILE_("%s") "1\r\n--XX--", cases[i][0]);
        assert_int_equal(http_form_file(SLICE(TYPE), (struct slice){body, (size_t)size}, SLICE("f"),
                                        &arena, &part),
                         STATUS_OK);
        assert_slice(part.filename, cases[i][1]);
        assert_slice(part.content, "1");
        assert_true(part.is_file);
    }
}

/* proves S7 */
static void fields_are_found_in_both_kinds_of_form(void **state) {
    (void)state;
    struct slice body = SLICE("--XX\r\n" FILE_("\"x\"") "file\r\n--XX\r\n" FIELD(
                     "f") "field\r\n--XX\r\n" FIELD("f") "second\r\n--XX--"),
                 out;
    struct http_part part;
    assert_int_equal(http_form_field(SLICE(TYPE), body, SLICE("f"), &arena, &out), STATUS_OK);
    assert_slice(out, "field");
    assert_int_equal(http_form_file(SLICE(TYPE), body, SLICE("f"), &arena, &part), STATUS_OK);
    assert_slice(part.content, "file");
    assert_int_equal(http_form_field(SLICE(TYPE), body, SLICE("g"), &arena, &out),
                     STATUS_NOT_FOUND);
    static const struct slice type = {"application/x-www-form-urlencoded; charset=UTF-8", 48};
    assert_int_equal(http_form_field(type, SLICE("a=1&b=x+%26"), SLICE("b"), &arena, &out),
                     STATUS_OK);
    assert_slice(out, "x &");
    assert_int_equal(http_form_field(SLICE("text/plain"), SLICE("a=1"), SLICE("a"), &arena, &out),
                     STATUS_NOT_FOUND);
    assert_int_equal(http_form_field(SLICE_NONE, SLICE_NONE, SLICE("a"), &arena, &out),
                     STATUS_NOT_FOUND);
    assert_int_equal(http_form_file(type, SLICE("a=1"), SLICE("a"), &arena, &part),
                     STATUS_NOT_FOUND);
}

static void the_number_of_parts_and_of_their_headers_is_bounded(void **state) {
    (void)state;
    struct buffer body;
    size_t count;
    buffer_init(&body, 0);
    for (unsigned i = 0; i < HTTP_PARTS_MAX + 1; i++)
        assert_int_equal(buffer_append(&body, SLICE("--XX\r\n" FIELD("a") "1\r\n")), STATUS_OK);
    assert_int_equal(buffer_append(&body, SLICE("--XX--")), STATUS_OK);
    assert_int_equal(walk(TYPE, buffer_slice(&body), &count, &arena), STATUS_LIMIT);
    assert_int_equal(count, HTTP_PARTS_MAX);
    body.size = 0;
    assert_int_equal(buffer_append(&body, SLICE("--XX\r\n")), STATUS_OK);
    for (unsigned i = 0; i < 17; i++)
        assert_int_equal(buffer_append(&body, SLICE("X: y\r\n")), STATUS_OK);
    assert_int_equal(buffer_append(&body, SLICE(FIELD("a") "1\r\n--XX--")), STATUS_OK);
    assert_int_equal(walk(TYPE, buffer_slice(&body), &count, &arena), STATUS_LIMIT);
    buffer_deinit(&body);
}

static void random_forms_neither_crash_nor_hang(void **state) {
    (void)state;
    static const char *const words[] = {
        "--XX", "\r\n",         "--", FIELD("a"),
        "x",    "\r\n--XX\r\n", " ",  "Content-Disposition: form-data; name=\"",
        "\"",   "\\",           ";",  "\r\n--XX--",
        "%22",  "filename="};
    uint64_t random = 3;
    for (unsigned round = 0; round < 20000; round++) {
        char text[1024];
        size_t size = 0, count;
        for (unsigned word = 0; word < round % 14; word++) {
            struct slice part = slice_of(words[random_next(&random) % ARRAY_SIZE(words)]);
            memcpy(text + size, part.bytes, part.size);
            size += part.size;
        }
        arena_reset(&arena);
        enum status status = walk(TYPE, (struct slice){text, size}, &count, &arena);
        assert_true(status == STATUS_NOT_FOUND || status == STATUS_SYNTAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_and_files_are_read_byte_for_byte),
        cmocka_unit_test(empty_parts_and_empty_forms_are_good),
        cmocka_unit_test(every_cut_of_a_form_is_an_error),
        cmocka_unit_test(malformed_parts_are_refused),
        cmocka_unit_test(boundaries_come_from_the_content_type),
        cmocka_unit_test(filenames_lose_their_directories_and_escapes),
        cmocka_unit_test(fields_are_found_in_both_kinds_of_form),
        cmocka_unit_test(the_number_of_parts_and_of_their_headers_is_bounded),
        cmocka_unit_test(random_forms_neither_crash_nor_hang),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
