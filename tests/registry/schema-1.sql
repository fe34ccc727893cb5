-- A registry of schema 1 as its daemon left it. Schemas that were released stay as they are: a change gets the next number, a
-- migration in daemon/registry/database.c, and a file like this one.
PRAGMA application_id=1113943159;
PRAGMA user_version=1;
CREATE TABLE servers (id TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('file', 'manager')), enabled INTEGER NOT NULL, declaration TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'stopped', since INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', PRIMARY KEY (id, origin)) WITHOUT ROWID;
INSERT INTO servers VALUES('main','file',1,'{"bind":"127.0.0.1:0"}','./bellwire.yaml:1','listening',1795180782887,'');
INSERT INTO servers VALUES('side','manager',1,'{"bind":["127.0.0.1:0"],"max-body":"4MiB"}','','listening',1795180783809,'');
CREATE TABLE clients (id TEXT NOT NULL, origin TEXT NOT NULL CHECK (origin IN ('file', 'manager')), enabled INTEGER NOT NULL, declaration TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'stopped', since INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', last_sent TEXT NOT NULL DEFAULT '', last_sent_at INTEGER NOT NULL DEFAULT 0, last_received TEXT NOT NULL DEFAULT '', last_received_at INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, origin)) WITHOUT ROWID;
INSERT INTO clients VALUES('feed','manager',0,'{"url":"ws://127.0.0.1:9/feed","enabled":"no"}','','stopped',1795180783818,'','',0,'',0);
CREATE TABLE globals (name TEXT PRIMARY KEY, value TEXT NOT NULL, updated INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO globals VALUES('count','42',1795180783823);
INSERT INTO globals VALUES('name','"Ada"',1795180783831);
CREATE TABLE task_overrides (task TEXT PRIMARY KEY, enabled INTEGER NOT NULL, file_enabled INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO task_overrides VALUES('hello',0,1);
