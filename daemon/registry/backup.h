/* The whole database as bytes. Private to registry/. */
#ifndef BELLWIRE_REGISTRY_BACKUP_H
#define BELLWIRE_REGISTRY_BACKUP_H

#include "registry/database.h"

/* Appends a copy of the database as a file would hold it; not inside a transaction. */
enum status database__backup(sqlite3 *db, struct buffer *out);

#endif
