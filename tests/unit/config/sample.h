/* A field table with every type, for the tests of this folder. */
#ifndef TESTS_CONFIG_SAMPLE_H
#define TESTS_CONFIG_SAMPLE_H

#include "config/config.h"

enum sample_level { SAMPLE_DEBUG = 3, SAMPLE_INFO, SAMPLE_ERROR };
struct sample_mode {
    int type;
    uint32_t max;
    struct slice key;
};
struct sample {
    struct slice text;
    bool is_binary;
    int8_t compressed;
    uint32_t copies;
    uint64_t timeout_ms, idle_ms, max_body;
    int level;
    struct config_texts command;
    struct config_pairs headers;
    struct slice file, path, token;
    struct sample_mode mode;
    const struct config_node *json;
    struct config_steps steps;
};

static const struct config_choice sample_levels[] = {
    {"debug", SAMPLE_DEBUG}, {"info", SAMPLE_INFO}, {"error", SAMPLE_ERROR}, {NULL, 0}};
static const struct config_choice sample_modes[] = {{"single", 1}, {"queued", 2}, {NULL, 0}};
static const struct config_field sample_mode_fields[] = {
    FIELD_ENUM(struct sample_mode, type, "type", .required = true, .choices = sample_modes,
               .doc = "what to do with a second event"),
    FIELD_U32(struct sample_mode, max, "max", .dflt = "7", .doc = "how many at once"),
    FIELD_TEXT(struct sample_mode, key, "key", .doc = "makes it per value"),
    FIELD_END,
};
static const struct config_field sample_fields[] = {
    FIELD_TEXT(struct sample, text, "text", .required = true, .max = 100, .doc = "what to send"),
    FIELD_BOOL(struct sample, is_binary, "is-binary", .dflt = "yes", .doc = "frame type"),
    FIELD_TRISTATE(struct sample, compressed, "compressed", .doc = "unset: as the server does"),
    FIELD_U32(struct sample, copies, "copies", .min = 1, .max = 10, .dflt = "3",
              .doc = "packets to send"),
    FIELD_DURATION(struct sample, timeout_ms, "timeout", .min = 100, .max = 3600000, .dflt = "5s",
                   .doc = "how long to wait"),
    FIELD_DURATION(struct sample, idle_ms, "idle", .allow_off = true, .dflt = "off",
                   .doc = "closes it | never"),
    FIELD_SIZE(struct sample, max_body, "max-body", .min = 1024, .dflt = "1MiB",
               .doc = "largest body"),
    FIELD_ENUM(struct sample, level, "level", .choices = sample_levels, .dflt = "info",
               .doc = "how loud"),
    FIELD_TEXTS(struct sample, command, "command", .min = 1, .max = 4, .dflt = "[a, \"b\"]",
                .doc = "program and arguments"),
    FIELD_PAIRS(struct sample, headers, "headers", .doc = "further headers"),
    FIELD_FILE(struct sample, file, "file", .doc = "a file to send"),
    FIELD_TEXT(struct sample, path, "path", .is_constant = true, .doc = "where it listens"),
    FIELD_TEXT(struct sample, token, "token", .is_secret = true, .max = 8, .doc = "opens the door"),
    FIELD_STRUCT(struct sample, mode, "mode", sample_mode_fields, .doc = "second events"),
    FIELD_SPECIAL(struct sample, json, "json", "tree", .doc = "any values"),
    FIELD_SPECIAL(struct sample, steps, "steps", "chain", .doc = "what to do"),
    FIELD_END,
};

#endif
