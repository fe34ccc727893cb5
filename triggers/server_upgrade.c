/* server-upgrade: a WebSocket handshake. `auto` is told after the 101, when the session is there;
 * with `manual` the task decides before it, by accept-upgrade or reject-upgrade. */
#include "triggers/event.h"

static bool prepare_upgrade(struct prepare *prepare, void *args);

static const struct config_choice modes[] = {
    {"auto", UPGRADE_AUTO}, {"manual", UPGRADE_MANUAL}, {NULL, 0}};

static const struct config_field fields[] = {
    FIELD_TEXT(struct trigger_upgrade, path.path, "path", .is_constant = true,
               .doc = "pattern of the path; without it every path matches"),
    FIELD_TEXT(struct trigger_upgrade, path.server, "server", .is_constant = true,
               .doc = "the server's ID"),
    FIELD_ENUM(struct trigger_upgrade, mode, "mode", .choices = modes, .dflt = "auto",
               .is_constant = true,
               .doc = "auto: told after the 101; manual: the task accepts or rejects"),
    FIELD_DURATION(struct trigger_upgrade, timeout_ms, "timeout", .dflt = "5s", .min = 1,
                   .is_constant = true, .doc = "how long a manual decision may take; 504 past it"),
    FIELD_STRUCT(struct trigger_upgrade, auth.keys, "auth", access_auth_fields,
                 .doc = "who may open a session of this path, in place of the server's auth"),
    FIELD_END};

const struct trigger_kind trigger_server_upgrade = {
    .name = "server-upgrade",
    .doc = "a WebSocket handshake",
    .fields = fields,
    .args_size = sizeof(struct trigger_upgrade),
    .binds_ws = true,
    .prepare = prepare_upgrade,
};

static bool prepare_upgrade(struct prepare *prepare, void *args) {
    struct trigger_upgrade *upgrade = args;
    bool is_good = trigger__prepare_path(prepare, &upgrade->path);
    return trigger__prepare_auth(prepare, &upgrade->auth, offsetof(struct trigger_upgrade, auth)) &&
           is_good;
}
