/* What the tables say, as text: the JSON Schema, the reference, and the rows of a registry at rest.
 */
#ifndef BELLWIRE_DESCRIBE_H
#define BELLWIRE_DESCRIBE_H

#include "registry/registry.h"

enum status describe_schema(struct buffer *out); /* JSON Schema 2020-12 of a configuration file */
enum status describe_reference(struct buffer *out); /* Markdown */
/* `server list` or `client list` as JSON without a daemon: every state is "stopped". With the
 * reason in `why` (REGISTRY_WHY_MAX). */
enum status describe_stored(const char *directory, enum registry_kind kind, struct buffer *out,
                            char *why);

#endif
