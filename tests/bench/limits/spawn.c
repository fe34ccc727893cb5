/* spawn SECONDS PROGRAM: starts the program with posix_spawn and waits for it, one after the other,
 * and prints one line of JSON. What no server that starts a program per request can pass. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Of ours and of all programs. */
static double cpu_us(void) {
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage usage = {0};
        getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &usage);
        sum += 1e6 * (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
               (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    }
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fputs("usage: spawn SECONDS PROGRAM\n", stderr);
        return 2;
    }
    char *args[] = {argv[2], NULL};
    double begin = now(), end = begin + atof(argv[1]);
    unsigned long count = 0;
    while (now() < end) {
        pid_t child;
        int status;
        if (posix_spawn(&child, argv[2], NULL, NULL, args, environ) != 0 ||
            waitpid(child, &status, 0) != child || status != 0) {
            fputs("spawn: the program did not end with 0\n", stderr);
            return 1;
        }
        count++;
    }
    printf("{\"operations\": %lu, \"per_second\": %.1f, \"cpu_us\": %.2f}\n", count,
           (double)count / (now() - begin), cpu_us() / (double)count);
    return 0;
}
