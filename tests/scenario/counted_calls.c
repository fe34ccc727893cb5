/* Preloaded into the daemon by test_cost.py: counts the calls that get memory from the heap, those
 * that take a lock, and the bytes that memmove() moves, in all threads, where the test can read
 * them: three numbers of 8 bytes in the file $COUNTED_CALLS. */
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

enum { HEAP, LOCKS, MOVED, COUNTERS };
static _Atomic uint64_t before_main[COUNTERS];
static _Atomic uint64_t *calls = before_main;

__attribute__((constructor)) static void map_file(void) {
    const char *path = getenv("COUNTED_CALLS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at = fd < 0 ? MAP_FAILED
                      : mmap(NULL, sizeof(before_main), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) {
        abort();
    }
    calls = at;
}

static void count(void) { atomic_fetch_add_explicit(&calls[HEAP], 1, memory_order_relaxed); }

/* libc's own function of that name, counted. */
#define LOCK(name, type)                                                                           \
    int name(type *lock) {                                                                         \
        int (*real)(type *) = (int (*)(type *))dlsym(RTLD_NEXT, #name);                            \
        atomic_fetch_add_explicit(&calls[LOCKS], 1, memory_order_relaxed);                         \
        return real(lock);                                                                         \
    }
LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)
LOCK(pthread_spin_lock, pthread_spinlock_t)

void *memmove(void *to, const void *from, size_t size) {
    void *(*real)(void *, const void *, size_t) =
        (void *(*)(void *, const void *, size_t))dlsym(RTLD_NEXT, "memmove");
    atomic_fetch_add_explicit(&calls[MOVED], size, memory_order_relaxed);
    return real(to, from, size);
}

void *malloc(size_t size) {
    count();
    return __libc_malloc(size);
}
void *calloc(size_t items, size_t size) {
    count();
    return __libc_calloc(items, size);
}
void *realloc(void *old, size_t size) {
    count();
    return __libc_realloc(old, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    count();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void **out, size_t alignment, size_t size) {
    count();
    *out = __libc_memalign(alignment, size);
    return *out ? 0 : 12; /* ENOMEM */
}
