/* Edits of servers and clients: passed on to the daemon, and its answer back. */
#include "control/internal.h"

static void on_done(void *context, unsigned status, const char *text) {
    struct call *call = context;
    if (status != 200) {
        call_error(call, status, call->id, "%s", text);
        return;
    }
    out_map(&call->out, NULL);
    out_text(&call->out, "id", call->id);
    out_text_or_null(&call->out, "warning", slice_of(text));
    out_end(&call->out);
    call_answer(call);
}

static void edit(struct call *call, enum registry_kind kind, enum control_verb verb) {
    struct control *control = call->control;
    const struct control_edit change = {kind, verb, call->id, call->arguments};
    control->host->edit(control->context, &change, on_done, call);
}

void route__server_add(struct call *call) { edit(call, REGISTRY_SERVER, CONTROL_ADD); }
void route__server_put(struct call *call) { edit(call, REGISTRY_SERVER, CONTROL_PUT); }
void route__server_set(struct call *call) { edit(call, REGISTRY_SERVER, CONTROL_SET); }
void route__server_remove(struct call *call) { edit(call, REGISTRY_SERVER, CONTROL_REMOVE); }
void route__server_start(struct call *call) { edit(call, REGISTRY_SERVER, CONTROL_START); }
void route__server_stop(struct call *call) { edit(call, REGISTRY_SERVER, CONTROL_STOP); }
void route__client_add(struct call *call) { edit(call, REGISTRY_CLIENT, CONTROL_ADD); }
void route__client_put(struct call *call) { edit(call, REGISTRY_CLIENT, CONTROL_PUT); }
void route__client_set(struct call *call) { edit(call, REGISTRY_CLIENT, CONTROL_SET); }
void route__client_remove(struct call *call) { edit(call, REGISTRY_CLIENT, CONTROL_REMOVE); }
void route__client_start(struct call *call) { edit(call, REGISTRY_CLIENT, CONTROL_START); }
void route__client_stop(struct call *call) { edit(call, REGISTRY_CLIENT, CONTROL_STOP); }
