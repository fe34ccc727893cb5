/* Preloaded into a server: makes BALLAST_MIB of it resident before main, to see what then becomes
 * slower. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

__attribute__((constructor)) static void load_ballast(void) {
    const char *text = getenv("BALLAST_MIB");
    size_t size = text ? (size_t)atoi(text) << 20 : 0;
    if (size) {
        void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED) {
            abort();
        }
        memset(at, 1, size);
    }
}
