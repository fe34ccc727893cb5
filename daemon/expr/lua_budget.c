/* The allocator, the hook and the clock behind lua_budget.h. */
#include "expr/lua_budget.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <time.h>

#include "expr/lua_state.h"

#define INSTRUCTIONS  1000          /* between two looks at the clock */
#define LARGE_BYTES   (64u * 1024u) /* a block above it makes the looks more frequent */
#define READ_CLOCK_NS 50000u
#define GARBAGE_BYTES (256u * 1024u) /* left over by an evaluation: collected at its end */
#define AHEAD_TIMES   5u
#define BYTES_PER_NS  4u /* of fresh memory: the kernel has to clear it */

static void on_instructions(lua_State *L, lua_Debug *debug);

static uint64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool is_time_over(struct budget *budget) {
    uint64_t now = cpu_ns();
    if (!budget->start_ns)
        budget->start_ns = now;
    budget->pending_ns = 0;
    return now - budget->start_ns > budget->time_ns;
}

static void set_hook(struct budget *budget) {
    size_t times = budget->largest_bytes / LARGE_BYTES + 1;
    int count = times < INSTRUCTIONS ? (int)(INSTRUCTIONS / times) : 1;
    lua_sethook(budget->L, on_instructions, LUA_MASKCOUNT, count);
}

void budget__begin(struct budget *budget, uint64_t time_ns, size_t memory_bytes) {
    if (budget->largest_bytes > LARGE_BYTES || !lua_gethook(budget->L)) {
        budget->largest_bytes = 0;
        set_hook(budget);
    }
    budget->largest_bytes = 0;
    budget->time_ns = time_ns;
    budget->start_ns = 0;
    budget->pending_ns = 0;
    budget->memory_bytes = memory_bytes;
    budget->base_bytes = budget->peak_bytes = budget->used_bytes;
    budget->is_time_passed = budget->is_memory_passed = false;
}

void budget__end(struct budget *budget) {
    budget->memory_bytes = 0;
    if (budget->peak_bytes - budget->base_bytes > GARBAGE_BYTES)
        lua_gc(budget->L, LUA_GCCOLLECT);
}

/* ---- memory
 * ------------------------------------------------------------------------------------*/

/* A refusal makes Lua collect all its garbage and ask again, so refusing does not end an evaluation
 * that holds little; but when its time is over, the next one is final. */
static bool is_refused(struct budget *budget, size_t more) {
    if (budget->memory_bytes == 0)
        return false;
    size_t used = budget->used_bytes + more;
    bool is_within =
        used <= budget->base_bytes || used - budget->base_bytes <= budget->memory_bytes;
    if (is_within)
        return budget->is_time_passed;
    budget->is_time_passed = budget->is_time_passed || is_time_over(budget);
    budget->is_memory_passed = true;
    return true;
}

void *budget__alloc(void *context, void *block, size_t old_size, size_t size) {
    struct budget *budget = context;
    size_t old = block ? old_size : 0; /* without a block it is a type of object */
    if (size == 0) {
        budget->used_bytes -= old;
        free(block);
        return NULL;
    }
    if (size > old && is_refused(budget, size - old))
        return NULL;
    void *moved = realloc(block, size);
    if (!moved)
        return NULL;
    budget->used_bytes += size - old;
    if (budget->used_bytes > budget->peak_bytes)
        budget->peak_bytes = budget->used_bytes;
    if (size > LARGE_BYTES && budget->memory_bytes) {
        budget->pending_ns += size / BYTES_PER_NS;
        if (size / 2 >= budget->largest_bytes) {
            budget->largest_bytes = size;
            set_hook(budget);
        }
    }
    return moved;
}

void budget__room(lua_State *L, size_t bytes) {
    struct budget *budget = &lua__of(L)->budget;
    if (bytes > budget->memory_bytes)
        budget__no_room(L);
}

void budget__no_room(lua_State *L) {
    lua__of(L)->budget.is_memory_passed = true;
    luaL_error(L, "not enough memory");
}

/* ---- time
 * --------------------------------------------------------------------------------------*/

static void check_time(lua_State *L, struct budget *budget) {
    if (!is_time_over(budget))
        return;
    budget->is_time_passed = true;
    luaL_error(L, "too slow");
}

static void on_instructions(lua_State *L, lua_Debug *debug) {
    (void)debug; /* where it stands does not matter */
    struct budget *budget = &lua__of(L)->budget;
    if (budget->memory_bytes)
        check_time(L, budget);
}

void budget__charge(lua_State *L, uint64_t estimated_ns) {
    struct budget *budget = &lua__of(L)->budget;
    budget->pending_ns += estimated_ns;
    if (budget->pending_ns >= READ_CLOCK_NS)
        check_time(L, budget);
}

void budget__ahead(lua_State *L, uint64_t estimated_ns) {
    struct budget *budget = &lua__of(L)->budget;
    if (estimated_ns / AHEAD_TIMES > budget->time_ns) {
        budget->is_time_passed = true;
        luaL_error(L, "too slow");
    }
    budget__charge(L, estimated_ns);
}
