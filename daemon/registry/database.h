/* SQLite behind the registry: the file, its schema, its statements. Used by one thread at a time.
 */
#ifndef BELLWIRE_REGISTRY_DATABASE_H
#define BELLWIRE_REGISTRY_DATABASE_H

#include <sqlite3.h>

#include "registry/registry.h"

#define DATABASE_FILE           "bellwire.db"
#define DATABASE_VERSION        1
#define DATABASE_APPLICATION_ID 0x42656C77 /* "Belw" */
#define DATABASE_BUSY_MS        2000

void database__tell(char *why, const char *format, ...) PRINTF_LIKE(2, 3);
enum status database__status(int code); /* the only translation of SQLite's result codes */
/* As registry_open(), without the thread. */
enum status database__open(const char *directory, sqlite3 **out, char *why);
enum status database__open_read_only(const char *directory, sqlite3 **out, char *why);
enum status database__exec(sqlite3 *db, const char *sql);
/* Binds `arguments` by their letters: `s` const struct slice *, `i` int64_t. Runs to the end. */
enum status database__run(sqlite3 *db, const char *sql, const char *letters, ...);
enum status database__rows(sqlite3 *db, enum registry_kind kind, struct arena *arena,
                           struct registry_rows *out);
enum status database__globals(sqlite3 *db, struct arena *arena, struct registry_globals *out);
enum status database__overrides(sqlite3 *db, struct arena *arena, struct registry_overrides *out);
const char *database__table(enum registry_kind kind);

#endif
