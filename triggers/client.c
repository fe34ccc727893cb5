/* The client of a trigger, read the same way for all kinds that have one. */
#include "triggers/event.h"

bool trigger__prepare_client(struct prepare *prepare, void *args) {
    struct trigger_client *client = args;
    return prepare_client(prepare, offsetof(struct trigger_client, client), &client->client);
}
