/* Text of durations, sizes and times. */
#include "base/base.h"

#include <stdio.h>

struct unit {
    struct slice name;
    uint64_t factor;
};

/* Largest first, for the shortest exact spelling. */
static const struct unit duration_units[] = {
    {{"d", 1}, 86400000}, {{"h", 1}, 3600000}, {{"m", 1}, 60000}, {{"s", 1}, 1000}, {{"ms", 2}, 1}};
static const struct unit size_units[] = {
    {{"GiB", 3}, 1u << 30}, {{"MiB", 3}, 1u << 20}, {{"KiB", 3}, 1u << 10}, {{"B", 1}, 1}};

static enum status parse(struct slice text, const struct unit *units, size_t count, uint64_t *out) {
    size_t digits = 0;
    while (digits < text.size && text.bytes[digits] >= '0' && text.bytes[digits] <= '9')
        digits++;
    struct slice name = {text.bytes + digits, text.size - digits};
    const struct unit *unit = units;
    while (unit < units + count && !slice_equal(unit->name, name))
        unit++;
    if (digits == 0 || unit == units + count)
        return STATUS_SYNTAX;
    uint64_t number, value;
    enum status status = slice_to_u64((struct slice){text.bytes, digits}, &number);
    if (status != STATUS_OK)
        return status;
    if (__builtin_mul_overflow(number, unit->factor, &value))
        return STATUS_RANGE;
    *out = value;
    return STATUS_OK;
}

static struct slice format(uint64_t value, const struct unit *units, size_t count, char *out) {
    const struct unit *unit = units;
    while (unit < units + count - 1 && (value == 0 || value % unit->factor != 0))
        unit++;
    int size = snprintf(out, BASE_TEXT_MAX, "%llu" SLICE_FMT,
                        (unsigned long long)(value / unit->factor), SLICE_ARG(unit->name));
    return (struct slice){out, (size_t)size};
}

enum status duration_parse(struct slice text, uint64_t *out_ms) {
    return parse(text, duration_units, ARRAY_SIZE(duration_units), out_ms);
}

struct slice duration_format(uint64_t ms, char *out) {
    return format(ms, duration_units, ARRAY_SIZE(duration_units), out);
}

enum status size_parse(struct slice text, uint64_t *out_bytes) {
    if (text.size > 0 && text.bytes[text.size - 1] >= '0' && text.bytes[text.size - 1] <= '9')
        return slice_to_u64(text, out_bytes);
    return parse(text, size_units, ARRAY_SIZE(size_units), out_bytes);
}

struct slice size_format(uint64_t bytes, char *out) {
    return format(bytes, size_units, ARRAY_SIZE(size_units), out);
}

/* Own arithmetic, since gmtime_r() takes a lock that all threads share. Years begin in March here,
 * so that the leap day is the last of its year; 719468 days lie between 0000-03-01 and 1970. */
struct slice time_format(uint64_t wall_ms, char *out) {
    uint64_t day = wall_ms / 86400000 + 719468, ms = wall_ms % 86400000;
    uint64_t era = day / 146097, day_of_era = day % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t shifted_month = (5 * day_of_year + 2) / 153; /* 0: March */
    uint64_t day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    uint64_t year = era * 400 + year_of_era + (month <= 2 ? 1 : 0);
    int size = snprintf(out, BASE_TEXT_MAX, "%04llu-%02llu-%02lluT%02llu:%02llu:%02llu.%03lluZ",
                        (unsigned long long)year, (unsigned long long)month,
                        (unsigned long long)day_of_month, (unsigned long long)(ms / 3600000),
                        (unsigned long long)(ms / 60000 % 60), (unsigned long long)(ms / 1000 % 60),
                        (unsigned long long)(ms % 1000));
    return (struct slice){out, (size_t)size};
}
