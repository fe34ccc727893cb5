/* One byte range (RFC 9110 section 14): `bytes=0-99`, `bytes=100-`, `bytes=-100`. */
#include "http/scan.h"

enum status http_range_parse(struct slice value, uint64_t size, uint64_t *first, uint64_t *last) {
    static const struct slice unit = {"bytes=", 6};
    struct slice end_text;
    uint64_t start, end;
    if (value.size <= unit.size ||
        !slice_equal_nocase((struct slice){value.bytes, unit.size}, unit))
        return STATUS_NOT_FOUND;
    value = http__trim((struct slice){value.bytes + unit.size, value.size - unit.size});
    if (value.size == 0 || !memchr(value.bytes, '-', value.size))
        return STATUS_NOT_FOUND;
    struct slice start_text = slice_cut(value, '-', &end_text);
    /* A number beyond 64 bits is beyond every size, too. */
    enum status has_end = slice_to_u64(end_text, &end);
    if (has_end == STATUS_RANGE || (end_text.size == 0 && start_text.size > 0))
        end = UINT64_MAX;
    else if (has_end)
        return STATUS_NOT_FOUND;
    if (start_text.size == 0) {
        if (end == 0 || size == 0)
            return STATUS_RANGE;
        *first = end < size ? size - end : 0;
        *last = size - 1;
        return STATUS_OK;
    }
    enum status has_start = slice_to_u64(start_text, &start);
    if (has_start == STATUS_SYNTAX || (has_start == STATUS_OK && end < start))
        return STATUS_NOT_FOUND;
    if (has_start == STATUS_RANGE || start >= size)
        return STATUS_RANGE;
    *first = start;
    *last = end < size ? end : size - 1;
    return STATUS_OK;
}

/* RFC 9110 section 13.1.5. No entity tags are sent here, so that one in If-Range never holds. */
bool http_range_holds(const struct http_request *request, int64_t modified_s) {
    struct slice condition = http_request_header(request, SLICE("if-range"));
    int64_t date;
    if (request->method != HTTP_METHOD_GET)
        return false;
    return !condition.bytes ||
           (http_date_parse(condition, &date) == STATUS_OK && date == modified_s);
}
