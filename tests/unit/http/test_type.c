/* Media types by extension, and who wants a page. */
#include "tests/unit/http/http_test.h"

/* proves S12 */
static void types_follow_the_extension(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"index.html", "text/html; charset=utf-8"},
                                           {"A.HTM", "text/html; charset=utf-8"},
                                           {"/a.b/c.json", "application/json"},
                                           {"a.7z", "application/x-7z-compressed"},
                                           {"x.tar.zst", "application/zstd"},
                                           {"x.js", "text/javascript; charset=utf-8"},
                                           {"x.woff2", "font/woff2"},
                                           {"x.webmanifest", "application/manifest+json"},
                                           {"noext", "application/octet-stream"},
                                           {"x.", "application/octet-stream"},
                                           {"x.unknown", "application/octet-stream"},
                                           {"", "application/octet-stream"},
                                           {"a.html/b", "application/octet-stream"},
                                           {"x.htmlhtmlhtmlhtmlhtml", "application/octet-stream"},
                                           {"x.tx", "application/octet-stream"},
                                           {".css", "text/css; charset=utf-8"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_slice(http_type_of(slice_of(cases[i][0])), cases[i][1]);
}

static void every_extension_of_the_table_is_reached(void **state) {
    (void)state;
    static const char *const all[] = {
        "7z",    "aac", "apng", "atom", "avif", "bmp",  "bz2",  "css",  "csv",  "flac",
        "gif",   "gz",  "htm",  "html", "ico",  "ics",  "jpeg", "jpg",  "js",   "json",
        "jsonl", "log", "m4a",  "map",  "md",   "mjs",  "mp3",  "mp4",  "mpeg", "oga",
        "ogg",   "ogv", "opus", "otf",  "pdf",  "png",  "rss",  "svg",  "tar",  "tif",
        "tiff",  "ttf", "txt",  "wasm", "wav",  "weba", "webm", "webp", "woff", "woff2",
        "xhtml", "xml", "yaml", "yml",  "zip",  "zst"};
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        char name[32] = "x.";
        struct slice type = http_type_of(slice_of(strcat(name, all[i])));
        if (slice_is(type, "application/octet-stream"))
            fail_msg("%s has no type", all[i]);
    }
}

/* proves S14 */
static void browsers_ask_for_pages(void **state) {
    (void)state;
    static const struct {
        const char *accept;
        bool wants_html;
    } cases[] = {{"text/html,application/xhtml+xml,*/*;q=0.8", true},
                 {"application/json, Text/HTML ;q=0.3", true},
                 {"*/*", false},
                 {"text/*", false},
                 {"text/html;q=0", false},
                 {"text/html;level=1;q=0.000", false},
                 {"text/html;q=0.001", true},
                 {"text/htmlx", false},
                 {"", false}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_header headers[] = {{SLICE("X"), SLICE("text/html")},
                                        {SLICE("Accept"), slice_of(cases[i].accept)}};
        struct http_request request = {.headers = headers, .header_count = 2};
        assert_int_equal(http_accepts_html(&request), cases[i].wants_html);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_follow_the_extension),
        cmocka_unit_test(every_extension_of_the_table_is_reached),
        cmocka_unit_test(browsers_ask_for_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
