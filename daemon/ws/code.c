/* Close codes and the payload of close frames, RFC 6455 sections 5.5.1 and 7.4. */
#include "ws/ws.h"

bool ws_code_is_valid(unsigned code) {
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

int ws_close_payload(uint8_t *out, unsigned code, struct slice reason) {
    if (code == WS_NO_CODE && reason.size == 0) {
        return 0;
    }
    if (!ws_code_is_valid(code)) {
        return STATUS_RANGE;
    }
    if (reason.size > WS_REASON_MAX) {
        return STATUS_LIMIT;
    }
    if (!slice_is_utf8(reason)) {
        return STATUS_SYNTAX;
    }
    out[0] = (uint8_t)(code >> 8);
    out[1] = (uint8_t)code;
    if (reason.size) {
        memcpy(out + 2, reason.bytes, reason.size);
    }
    return 2 + (int)reason.size;
}

static const char *const class_texts[WS_CODE_CLASSES] = {
    "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009",
    "1010", "1011", "1012", "1013", "1014", "1015", "3xxx", "4xxx", "other"};

unsigned ws_code_class(unsigned code) {
    if (code >= 1000 && code <= 1015) {
        return code - 1000;
    }
    return code / 1000 == 3 ? 16 : code / 1000 == 4 ? 17 : 18;
}

const char *ws_code_class_text(unsigned code_class) { return class_texts[code_class]; }
