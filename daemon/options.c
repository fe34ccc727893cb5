/* Reads the command line: flags, then $STATE_DIRECTORY and the defaults for what was left out. */
#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const char options_help[] =
    "usage: bellwired [-c PATH] [--state DIR] [--control SOCKET] [--workers N]\n"
    "                 [--log-level L] [--log-format text|json]\n"
    "       bellwired --check [--strict] [-c PATH]\n"
    "       bellwired --restore FILE [--state DIR]\n"
    "\n"
    "  -c PATH            configuration file, or a folder that holds bellwire.yaml\n"
    "                     (/etc/bellwire/bellwire.yaml)\n"
    "  --state DIR        folder of bellwire.db ($STATE_DIRECTORY, else /var/lib/bellwire)\n"
    "  --control SOCKET   the manager's socket (/run/bellwire/control.sock; with --state\n"
    "                     alone DIR/control.sock)\n"
    "  --workers N        event loops, in place of `workers` of the configuration\n"
    "  --log-level L      debug, info, warn, error or off\n"
    "  --log-format F     text or json\n"
    "  --check            load everything as a start would, print all errors and warnings,\n"
    "                     exit 0 or 78; with --strict warnings count as errors\n"
    "  --restore FILE     put a backup (bellwire backup FILE) in place of the registry,\n"
    "                     while no daemon runs\n"
    "  --version, --help\n"
    "\n"
    "Signals: TERM and INT drain and end, a second one ends at once; HUP reloads.\n";

enum {
    FLAG_STATE = 256,
    FLAG_CONTROL,
    FLAG_WORKERS,
    FLAG_LEVEL,
    FLAG_FORMAT,
    FLAG_CHECK,
    FLAG_STRICT,
    FLAG_JSON,
    FLAG_SCHEMA,
    FLAG_REFERENCE,
    FLAG_PEEK,
    FLAG_RESTORE,
    FLAG_VERSION,
    FLAG_HELP
};
static const struct option flags[] = {{"config", required_argument, NULL, 'c'},
                                      {"state", required_argument, NULL, FLAG_STATE},
                                      {"control", required_argument, NULL, FLAG_CONTROL},
                                      {"workers", required_argument, NULL, FLAG_WORKERS},
                                      {"log-level", required_argument, NULL, FLAG_LEVEL},
                                      {"log-format", required_argument, NULL, FLAG_FORMAT},
                                      {"check", no_argument, NULL, FLAG_CHECK},
                                      {"strict", no_argument, NULL, FLAG_STRICT},
                                      {"json", no_argument, NULL, FLAG_JSON},
                                      {"schema", no_argument, NULL, FLAG_SCHEMA},
                                      {"reference", no_argument, NULL, FLAG_REFERENCE},
                                      {"peek", required_argument, NULL, FLAG_PEEK},
                                      {"restore", required_argument, NULL, FLAG_RESTORE},
                                      {"version", no_argument, NULL, FLAG_VERSION},
                                      {"help", no_argument, NULL, FLAG_HELP},
                                      {NULL, 0, NULL, 0}};

static bool take(struct options *out, int flag, const char *value);
static bool take_log(struct options *out, int flag, const char *value);
static void fill_in(struct options *out);

bool options_parse(struct options *out, int argc, char **argv) {
    *out = (struct options){.mode = OPTIONS_RUN};
    int flag;
    while ((flag = getopt_long(argc, argv, "c:", flags, NULL)) != -1)
        if (flag == '?' || !take(out, flag, optarg)) {
            (void)fprintf(stderr, "try: bellwired --help\n");
            return false;
        }
    if (optind < argc) {
        (void)fprintf(stderr, "bellwired: unexpected argument \"%s\"\ntry: bellwired --help\n",
                      argv[optind]);
        return false;
    }
    fill_in(out);
    return true;
}

static bool take(struct options *out, int flag, const char *value) {
    uint64_t number;
    switch (flag) {
        case 'c':
            out->config = value;
            return true;
        case FLAG_STATE:
            out->state = value;
            return true;
        case FLAG_CONTROL:
            out->control = value;
            return true;
        case FLAG_WORKERS:
            if (slice_to_u64(slice_of(value), &number) || number < 1 || number > 255) {
                (void)fprintf(
                    stderr, "bellwired: --workers must be between 1 and 255, got \"%s\"\n", value);
                return false;
            }
            out->workers = (uint32_t)number;
            return true;
        case FLAG_LEVEL:
        case FLAG_FORMAT:
            return take_log(out, flag, value);
        case FLAG_STRICT:
            out->is_strict = true;
            return true;
        case FLAG_JSON:
            out->is_json = true;
            return true;
        case FLAG_RESTORE:
            out->mode = OPTIONS_RESTORE;
            out->restore = value;
            return true;
        case FLAG_PEEK:
            out->mode = OPTIONS_PEEK;
            out->peek = value;
            if (strcmp(value, "servers") == 0 || strcmp(value, "clients") == 0)
                return true;
            (void)fprintf(stderr, "bellwired: --peek must be servers or clients, got \"%s\"\n",
                          value);
            return false;
        default:
            out->mode = flag == FLAG_CHECK       ? OPTIONS_CHECK
                        : flag == FLAG_SCHEMA    ? OPTIONS_SCHEMA
                        : flag == FLAG_REFERENCE ? OPTIONS_REFERENCE
                        : flag == FLAG_VERSION   ? OPTIONS_VERSION
                                                 : OPTIONS_HELP;
            return true;
    }
}

static bool take_log(struct options *out, int flag, const char *value) {
    if (flag == FLAG_LEVEL) {
        out->has_log_level = true;
        if (log_level_parse(slice_of(value), &out->log_level) == STATUS_OK)
            return true;
        (void)fprintf(
            stderr, "bellwired: --log-level must be debug, info, warn, error or off, got \"%s\"\n",
            value);
        return false;
    }
    out->has_log_format = true;
    out->log_format = strcmp(value, "json") == 0 ? LOG_JSON : LOG_TEXT;
    if (out->log_format == LOG_JSON || strcmp(value, "text") == 0)
        return true;
    (void)fprintf(stderr, "bellwired: --log-format must be text or json, got \"%s\"\n", value);
    return false;
}

static void fill_in(struct options *out) {
    bool has_state = out->state != NULL;
    if (!out->config)
        out->config = "/etc/bellwire/bellwire.yaml";
    if (!has_state)
        out->state = getenv("STATE_DIRECTORY");
    if (!out->state || !out->state[0])
        out->state = "/var/lib/bellwire";
    if (!out->control)
        out->control = getenv("BELLWIRE_CONTROL");
    if (out->control && out->control[0])
        return;
    out->has_default_control = !has_state;
    out->control = "/run/bellwire/control.sock";
    if (has_state) {
        (void)snprintf(out->own_control, sizeof out->own_control, "%s/control.sock",
                       out->state); /* cut, it is longer than any socket's path may be */
        out->control = out->own_control;
    }
}
