/* spawn SECONDS PROGRAM: starts the program with posix_spawn and waits for it, one after the other,
 * and prints one line of JSON. What no server that starts a program per request can pass. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
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
    printf("{\"operations\": %lu, \"per_second\": %.1f}\n", count, (double)count / (now() - begin));
    return 0;
}
