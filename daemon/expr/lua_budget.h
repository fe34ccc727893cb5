/* The bound of one evaluation: CPU time, which instructions and library steps are charged to, and
 * memory, which the allocator gives.
 *
 * Thread  that of the Lua state. Steps of libraries are charged as estimated nanoseconds; the CPU
 * clock is read after many of them, and by a hook after as many instructions as the largest block
 * of memory allows, since one instruction may walk all of it. */
#ifndef BELLWIRE_EXPR_LUA_BUDGET_H
#define BELLWIRE_EXPR_LUA_BUDGET_H

#include <lua.h>

#include "expr/expr.h"

struct budget {
    lua_State *L;
    uint64_t time_ns, start_ns; /* start 0: the clock was not read yet */
    uint64_t pending_ns;        /* charged since the clock was read */
    size_t memory_bytes;        /* 0: no evaluation, no bound */
    size_t used_bytes, base_bytes, peak_bytes;
    size_t largest_bytes; /* block asked for in this evaluation */
    bool is_time_passed, is_memory_passed;
};
void *budget__alloc(void *budget, void *block, size_t old_size, size_t size); /* a lua_Alloc */
void budget__begin(struct budget *budget, uint64_t time_ns, size_t memory_bytes);
void budget__end(struct budget *budget); /* collects garbage where there is much */

/* Both raise a Lua error past the bound. charge: after or before a step that takes about that long.
 * ahead: before one that cannot be interrupted; refused when it would take many times the bound. */
void budget__charge(lua_State *L, uint64_t estimated_ns);
void budget__ahead(lua_State *L, uint64_t estimated_ns);
/* Raises when `bytes` can never be had; always. */
void budget__room(lua_State *L, size_t bytes);
void budget__no_room(lua_State *L);

#endif
