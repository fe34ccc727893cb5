/* Media types: by the extension of a file, and whether a browser asks for a page. */
#include "http/scan.h"

struct extension {
    struct slice name;
    struct slice type;
};

/* Sorted by name, for the bisection. */
static const struct extension extensions[] = {
#define X(name, type) {{name, sizeof(name) - 1}, {type, sizeof(type) - 1}},
    X("7z", "application/x-7z-compressed") X("aac", "audio/aac") X("apng", "image/apng") X(
        "atom", "application/atom+xml") X("avif", "image/avif") X("bin", "application/octet-stream")
        X("bmp", "image/bmp") X("bz2", "application/x-bzip2") X("css", "text/css; charset=utf-8") X(
            "csv", "text/csv; charset=utf-8") X("flac", "audio/flac") X("gif", "image/gif")
            X("gz", "application/gzip") X("htm", "text/html; charset=utf-8") X(
                "html", "text/html; charset=utf-8") X("ico", "image/vnd.microsoft.icon")
                X("ics", "text/calendar; charset=utf-8") X("jpeg", "image/jpeg") X(
                    "jpg", "image/jpeg") X("js", "text/javascript; charset=utf-8")
                    X("json", "application/json") X("jsonl", "application/jsonl") X(
                        "log", "text/plain; charset=utf-8") X("m4a", "audio/mp4")
                        X("map", "application/json") X("md", "text/markdown; charset=utf-8") X(
                            "mjs", "text/javascript; charset=utf-8") X("mp3", "audio/mpeg")
                            X("mp4", "video/mp4") X("mpeg", "video/mpeg") X("oga", "audio/ogg") X(
                                "ogg", "audio/ogg") X("ogv", "video/ogg") X("opus", "audio/ogg")
                                X("otf", "font/otf") X("pdf", "application/pdf")
                                    X("png", "image/png") X("rss", "application/rss+xml") X(
                                        "svg", "image/svg+xml") X("tar", "application/x-tar")
                                        X("tif", "image/tiff") X("tiff", "image/tiff") X(
                                            "ttf", "font/ttf") X("txt", "text/plain; charset=utf-8")
                                            X("wasm", "application/wasm") X("wav", "audio/wav") X(
                                                "weba", "audio/webm") X("webm", "video/webm")
                                                X("webmanifest", "application/manifest+json")
                                                    X("webp", "image/webp") X("woff", "font/woff")
                                                        X("woff2", "font/woff2")
                                                            X("xhtml", "application/xhtml+xml")
                                                                X("xml", "application/xml") X(
                                                                    "yaml", "application/yaml")
                                                                    X("yml", "application/yaml") X(
                                                                        "zip", "application/zip")
                                                                        X("zst", "application/zstd")
#undef X
};

static int compare(struct slice a, struct slice b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int order = memcmp(a.bytes, b.bytes, size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

struct slice http_type_of(struct slice filename) {
    char lower[16];
    struct slice name = http_path_filename(filename);
    const char *dot = name.size > 0 ? memrchr(name.bytes, '.', name.size) : NULL;
    struct slice extension = {lower, dot ? name.size - (size_t)(dot - name.bytes) - 1 : 0};
    if (extension.size == 0 || extension.size > sizeof lower)
        return SLICE("application/octet-stream");
    for (size_t i = 0; i < extension.size; i++)
        lower[i] = dot[1 + i] >= 'A' && dot[1 + i] <= 'Z' ? (char)(dot[1 + i] | 0x20) : dot[1 + i];
    size_t low = 0, high = ARRAY_SIZE(extensions);
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(extension, extensions[middle].name);
        if (order == 0)
            return extensions[middle].type;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return SLICE("application/octet-stream");
}

/* Whether the parameters hold a weight of zero: q=0, q=0.000. */
static bool is_refused(struct slice parameters) {
    while (parameters.bytes) {
        struct slice value, member = http__trim(slice_cut(parameters, ';', &parameters));
        struct slice name = http__trim(slice_cut(member, '=', &value));
        if (!slice_equal_nocase(name, SLICE("q")))
            continue;
        value = http__trim(value);
        for (size_t i = 0; i < value.size; i++) {
            if (value.bytes[i] != '0' && value.bytes[i] != '.')
                return false;
        }
        return true;
    }
    return false;
}

bool http_accepts_html(const struct http_request *request) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (!slice_equal_nocase(request->headers[i].name, SLICE("accept")))
            continue;
        struct slice rest = request->headers[i].value, member, parameters;
        while (http_list_next(&rest, &member)) {
            struct slice type = http__trim(slice_cut(member, ';', &parameters));
            if (slice_equal_nocase(type, SLICE("text/html")))
                return !is_refused(parameters);
        }
    }
    return false;
}
