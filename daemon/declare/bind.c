/* The texts of `bind`: addresses, or names of sockets that are passed by systemd. */
#include "declare/internal.h"

struct slice declare_fd_name(struct slice text) {
    if (!slice_starts_with(text, SLICE("fd:")))
        return SLICE_NONE;
    return (struct slice){text.bytes + 3, text.size - 3};
}

static bool is_fd_name(struct slice name) {
    for (size_t i = 0; i < name.size; i++)
        if (name.bytes[i] <= ' ' || name.bytes[i] == ':' || name.bytes[i] == '#' ||
            name.bytes[i] == 0x7f)
            return false;
    return name.size > 0 && name.size <= DECLARE_FD_NAME_MAX;
}

static bool check_one(struct slice text, const struct config_node *node, struct config_diag *diag) {
    struct net_address addresses[2];
    size_t count;
    if (slice_starts_with(text, SLICE("fd:"))) {
        if (is_fd_name(declare_fd_name(text)))
            return true;
        config_error(diag, node->mark,
                     "\"bind\" must name the passed socket in 1 to %d characters, without a colon, "
                     "got \"" SLICE_FMT "\"",
                     DECLARE_FD_NAME_MAX, SLICE_ARG(text));
        config_hint(diag, "as FileDescriptorName= of the .socket unit does: \"fd:main\"");
        return false;
    }
    enum status status = net_bind_parse(text, addresses, &count);
    if (!status)
        return true;
    config_error(diag, node->mark,
                 "\"bind\" must be an address and a port, got \"" SLICE_FMT "\"%s", SLICE_ARG(text),
                 status == STATUS_RANGE ? ": a port is at most 65535" : "");
    config_hint(diag, "as in \"127.0.0.1:8080\", \"[::1]:8080\", or \":8080\" for every address");
    return false;
}

bool declare__bind(const struct config_node *node, const struct config_texts *texts,
                   struct config_diag *diag) {
    bool is_good = true;
    for (size_t i = 0; node && i < texts->count; i++)
        is_good &=
            check_one(texts->items[i],
                      node->kind == CONFIG_LIST && i < node->count ? node->items[i] : node, diag);
    if (node && texts->count == 0) {
        config_error(diag, node->mark, "\"bind\" must hold at least one address");
        is_good = false;
    }
    return is_good;
}
