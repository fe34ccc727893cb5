/* Whether a program failed because of the sandbox that the service lives in: then the log says so,
 * since the program itself only tells of a missing right. */
#include <errno.h>
#include <sys/prctl.h>

#include "actions/program.h"

/* What the kernel's refusals read like, by strerror(3), and the word of sudo(8). */
static const char *const signs[] = {"Operation not permitted",      "Permission denied",
                                    "Read-only file system",        "Function not implemented",
                                    "Address family not supported", "no new privileges"};

static const char *find_sign(const struct program_run *run, int error) {
    if (error == EPERM || error == EACCES || error == EROFS)
        return strerror(error);
    struct slice told = buffer_slice(&run->output[1]);
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (slice_contains(told, slice_of(signs[i])))
            return signs[i];
    return NULL;
}

void program__blame_sandbox(const struct program_run *run, int error) {
    /* The mark of a sandbox: whoever has it set can never get rights that the daemon lacks. */
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return;
    const char *sign = find_sign(run, error);
    if (sign)
        log_line(LOG_WARN, &run->log,
                 "the sandbox of the service may have stopped \"%s\" (%s): bellwired(8), SANDBOX, "
                 "tells how to open it",
                 run->argv[0], sign);
}
