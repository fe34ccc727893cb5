/* Dates of HTTP, IMF-fixdate alone (RFC 9110 section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. */
#include <time.h>
#include "http/scan.h"

static const char days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void put2(char *out, int number) {
    out[0] = (char)('0' + number / 10);
    out[1] = (char)('0' + number % 10);
}

struct slice http_date_format(int64_t unix_s, char *out) {
    static const int64_t last = INT64_C(253402300799); /* the end of the year 9999 */
    time_t time = (time_t)(unix_s < 0 ? 0 : unix_s > last ? last : unix_s);
    struct tm tm;
    gmtime_r(&time, &tm);
    memcpy(out, "DDD, 00 MMM 0000 00:00:00 GMT", HTTP_DATE_SIZE);
    memcpy(out, days + (size_t)tm.tm_wday * 3, 3);
    put2(out + 5, tm.tm_mday);
    memcpy(out + 8, months + (size_t)tm.tm_mon * 3, 3);
    put2(out + 12, (tm.tm_year + 1900) / 100);
    put2(out + 14, (tm.tm_year + 1900) % 100);
    put2(out + 17, tm.tm_hour);
    put2(out + 20, tm.tm_min);
    put2(out + 23, tm.tm_sec);
    return (struct slice){out, HTTP_DATE_SIZE};
}

/* Two digits at most `max`, or -1. */
static int get2(const char *text, int max) {
    if (text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9')
        return -1;
    int number = (text[0] - '0') * 10 + text[1] - '0';
    return number <= max ? number : -1;
}

static int find3(const char *names, size_t count, const char *text) {
    for (size_t i = 0; i < count; i++) {
        if (memcmp(names + i * 3, text, 3) == 0)
            return (int)i;
    }
    return -1;
}

/* The fixed characters and the numbers are read; a date that does not print the same again (a wrong
 * day of the week, the 31st of June) is refused. */
enum status http_date_parse(struct slice text, int64_t *unix_s) {
    const char *at = text.bytes;
    char again[HTTP_DATE_SIZE];
    if (text.size != HTTP_DATE_SIZE)
        return STATUS_SYNTAX;
    int century = get2(at + 12, 99), year = get2(at + 14, 99);
    struct tm tm = {.tm_mday = get2(at + 5, 31),
                    .tm_mon = find3(months, 12, at + 8),
                    .tm_year = century * 100 + year - 1900,
                    .tm_hour = get2(at + 17, 23),
                    .tm_min = get2(at + 20, 59),
                    .tm_sec = get2(at + 23, 60)};
    if (tm.tm_mday < 1 || tm.tm_mon < 0 || century < 0 || year < 0 || tm.tm_hour < 0 ||
        tm.tm_min < 0 || tm.tm_sec < 0 || tm.tm_year < 70)
        return STATUS_SYNTAX;
    int64_t time = (int64_t)timegm(&tm);
    if (!slice_equal(http_date_format(time, again), text))
        return STATUS_SYNTAX;
    *unix_s = time;
    return STATUS_OK;
}

bool http_is_unmodified(const struct http_request *request, int64_t modified_s) {
    int64_t since;
    if (request->method != HTTP_METHOD_GET && request->method != HTTP_METHOD_HEAD)
        return false;
    if (http_date_parse(http_request_header(request, SLICE("if-modified-since")), &since))
        return false;
    return modified_s <= since;
}
