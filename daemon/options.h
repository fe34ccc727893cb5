/* The command line of bellwired. */
#ifndef BELLWIRE_OPTIONS_H
#define BELLWIRE_OPTIONS_H

#include "base/base.h"

enum options_mode {
    OPTIONS_RUN,
    OPTIONS_CHECK,  /* load everything, print all errors and warnings, end */
    OPTIONS_SCHEMA, /* these three serve the manager without a daemon */
    OPTIONS_REFERENCE,
    OPTIONS_RESTORE,
    OPTIONS_PEEK, /* the registry's rows as JSON */
    OPTIONS_VERSION,
    OPTIONS_HELP,
};
struct options {
    enum options_mode mode;
    const char *config, *state, *control;
    const char *restore;   /* the file */
    const char *peek;      /* "servers" or "clients" */
    char own_control[256]; /* private: what `control` may point to */
    uint32_t workers;      /* 0: as the configuration says */
    enum log_level log_level;
    enum log_format log_format;
    bool has_log_level, has_log_format, is_strict, is_json, has_default_control;
};
/* False after a message on standard error: wrong usage, exit code 2. Texts are borrowed from `argv`
 * and the environment, or of `out`, which must not move. */
bool options_parse(struct options *out, int argc, char **argv);
extern const char options_help[];

#endif
