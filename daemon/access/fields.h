/* How rules and credentials are written in a configuration: field tables, and the loading of the
 * files that they name. A part of access.h, for those who read declarations. */
#ifndef BELLWIRE_ACCESS_FIELDS_H
#define BELLWIRE_ACCESS_FIELDS_H

#include "access/access.h"
#include "config/config.h"

struct access_file {
    struct slice path; /* absolute; bytes NULL: not given */
};
struct access_query {
    struct slice name, path;
};
struct access_keys { /* the value of `auth` */
    struct access_file bearer, basic;
    struct access_query query;
};
extern const struct config_field access_file_fields[], access_query_fields[];
extern const struct config_field access_auth_fields[]; /* of struct access_keys */
/* Reads the files. Each error names the file and its line, at the place in `auth` (the node; NULL
 * is allowed) that names the file. Where no way in is given, `*out` is NULL. False after a report.
 */
bool access_auth_load(const struct access_keys *keys, const struct config_node *auth,
                      struct arena *arena, struct config_diag *diag,
                      const struct access_auth **out);

#endif
