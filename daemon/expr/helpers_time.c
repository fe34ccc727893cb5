/* time.now time.format, in UTC. */
#include <time.h>

#include "expr/helpers.h"

#define FORMAT_BYTES_MAX 256
#define RESULT_BYTES_MAX 1024
#define YEAR_SECONDS_MAX                                                                           \
    67767976233532799ll /* the end of the last year that struct tm can hold                        \
                         */

static int time_now(lua_State *L) {
    const struct clock *clock = lua__of(L)->clock;
    lua_pushnumber(L, (lua_Number)clock->wall_ms(clock) / 1000.0);
    return 1;
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the format is the caller's by design */

static int time_format_seconds(lua_State *L) {
    lua_Number seconds = luaL_checknumber(L, 1);
    struct slice format = helper__text(L, 2);
    luaL_argcheck(L, seconds >= -YEAR_SECONDS_MAX && seconds <= YEAR_SECONDS_MAX, 1,
                  "the time is out of range");
    luaL_argcheck(L, format.size < FORMAT_BYTES_MAX, 2, "the format is too long");
    luaL_argcheck(L, !memchr(format.bytes, 0, format.size), 2, "the format holds a NUL");
    time_t whole = (time_t)seconds;
    whole -= (lua_Number)whole > seconds; /* downwards, also before 1970 */
    struct tm tm;
    char result[RESULT_BYTES_MAX];
    luaL_argcheck(L, gmtime_r(&whole, &tm), 1, "the time is out of range");
    budget__charge(L, 2000);
    size_t size = strftime(result, sizeof result, format.bytes, &tm);
    luaL_argcheck(L, size > 0 || format.size == 0, 2, "the result is empty or too long");
    lua_pushlstring(L, result, size);
    return 1;
}

const luaL_Reg helpers_time[] = {{"now", time_now}, {"format", time_format_seconds}, {NULL, NULL}};
