/* Every command of the manager and its route in the API, once. The manager makes its command line
 * and --help of these rows, the API its routes; both expand the list with an X of their own.
 *
 * X(id, noun, verb, arguments, method, path, help, columns)
 *   verb       "" where the noun stands alone
 *   arguments  as in a usage line. A word in capitals is one that must be given: ID goes into the
 *              path, others are sent under their name in lower case; [WORD] may be left out.
 * [--name] sends true,
 *              [--name WORD] text, with N a number; K=V and K=JSON, which may be repeated, gather
 *              under `vars`; -f is --follow. GET sends them in the query, else they are the body.
 *   path       ID stands for one segment
 *   columns    members that a table shows, in order, as `member` or `member:kind`; kind is `time`
 *              or `size`. Empty: shown member by member.
 */
#ifndef BELLWIRE_CONTROL_COMMANDS_H
#define BELLWIRE_CONTROL_COMMANDS_H

/* clang-format off */
#define CONTROL_COMMANDS(X)                                                                        \
    X(server_list, "server", "list", "", "GET", "/v1/servers",                                     \
      "lists the servers",                                                                         \
      "id name origin state bind sessions since:time error")                                       \
    X(server_show, "server", "show", "ID", "GET", "/v1/servers/ID",                                \
      "shows a server and its declaration", "")                                                    \
    X(server_add, "server", "add", "ID KEY=VALUE...", "POST", "/v1/servers/ID",                    \
      "adds a server: keys as in the YAML, nested ones dotted, lists with commas", "")             \
    X(server_put, "server", "put", "ID KEY=VALUE...", "PUT", "/v1/servers/ID",                     \
      "adds a server, or declares it anew", "")                                                    \
    X(server_set, "server", "set", "ID KEY=VALUE...", "PATCH", "/v1/servers/ID",                   \
      "changes keys of a server; KEY= for the default", "")                                        \
    X(server_remove, "server", "remove", "ID", "DELETE", "/v1/servers/ID", "removes a server", "") \
    X(server_start, "server", "start", "ID", "POST", "/v1/servers/ID/start",                       \
      "listens until the next start of the daemon", "")                                            \
    X(server_stop, "server", "stop", "ID", "POST", "/v1/servers/ID/stop",                          \
      "stops listening, and ends its sessions", "")                                             \
    X(client_list, "client", "list", "", "GET", "/v1/clients",                                     \
      "lists the clients",                                                                         \
      "id name origin state url since:time reconnects error")                                      \
    X(client_show, "client", "show", "ID", "GET", "/v1/clients/ID",                                \
      "shows a client and its declaration", "")                                                    \
    X(client_add, "client", "add", "ID KEY=VALUE...", "POST", "/v1/clients/ID",                    \
      "adds a client: keys as in the YAML, nested ones dotted, lists with commas", "")             \
    X(client_put, "client", "put", "ID KEY=VALUE...", "PUT", "/v1/clients/ID",                     \
      "adds a client, or declares it anew", "")                                                    \
    X(client_set, "client", "set", "ID KEY=VALUE...", "PATCH", "/v1/clients/ID",                   \
      "changes keys of a client; KEY= for the default", "")                                        \
    X(client_remove, "client", "remove", "ID", "DELETE", "/v1/clients/ID", "removes a client", "") \
    X(client_start, "client", "start", "ID", "POST", "/v1/clients/ID/start",                       \
      "connects, until the next start of the daemon", "")                                          \
    X(client_stop, "client", "stop", "ID", "POST", "/v1/clients/ID/stop",                          \
      "disconnects, without a reconnect", "")                                             \
    X(session_list, "session", "list", "", "GET", "/v1/sessions",                                  \
      "lists the open sessions",                                                                   \
      "id server client peer path since:time rooms messages_in messages_out queued:size")          \
    X(session_show, "session", "show", "ID", "GET", "/v1/sessions/ID",                             \
      "shows a session", "")                                                                       \
    X(session_send, "session", "send", "ID TEXT [--binary]", "POST", "/v1/sessions/ID/send",       \
      "sends a message to a session", "")                                                          \
    X(session_close, "session", "close", "ID [--code N] [--reason R]", "POST",                     \
      "/v1/sessions/ID/close", "closes a session", "")                                             \
    X(task_list, "task", "list", "", "GET", "/v1/tasks",                                           \
      "lists the tasks",                                                                           \
      "id state triggers active_runs runs failures last_run:time last_error")                      \
    X(task_show, "task", "show", "ID", "GET", "/v1/tasks/ID",                                      \
      "shows a task and its declaration", "")                                                      \
    X(task_run, "task", "run",                                                                     \
      "ID [--var K=V]... [--json K=JSON]... [--wait] [--timeout T] [--request R] [--body B]",      \
      "POST", "/v1/tasks/ID/run",                                                                  \
      "starts a task by hand, or by a request: --request 'GET /hello/bob'", "")                    \
    X(task_stop, "task", "stop", "ID", "POST", "/v1/tasks/ID/stop",                                \
      "cancels the runs of a task", "")                                                            \
    X(task_enable, "task", "enable", "ID", "POST", "/v1/tasks/ID/enable",                          \
      "enables a task, until the file's own `enabled` changes", "")                                \
    X(task_disable, "task", "disable", "ID", "POST", "/v1/tasks/ID/disable",                       \
      "disables a task: its triggers are gone, until the file's own `enabled` changes", "")        \
    X(run_list, "run", "list", "[--task T] [--failed]", "GET", "/v1/runs",                         \
      "lists the runs, and the last 1,000 that ended",                                             \
      "id task state trigger step started:time ended:time error at")                               \
    X(run_show, "run", "show", "ID", "GET", "/v1/runs/ID",                                         \
      "shows a run", "")                                                                           \
    X(run_cancel, "run", "cancel", "ID", "POST", "/v1/runs/ID/cancel",                             \
      "cancels a run", "")                                                                         \
    X(var_list, "var", "list", "", "GET", "/v1/vars",                                              \
      "lists the globals", "name value updated:time")                                              \
    X(var_get, "var", "get", "ID", "GET", "/v1/vars/ID",                                           \
      "shows a global; its name may be dotted", "")                                                \
    X(var_set, "var", "set", "ID TEXT [--json]", "PUT", "/v1/vars/ID",                             \
      "sets a global to a text, with --json to what the text says", "")                            \
    X(var_unset, "var", "unset", "ID", "DELETE", "/v1/vars/ID",                                    \
      "removes a global", "")                                                                      \
    X(status, "status", "", "", "GET", "/v1/status",                                               \
      "tells how the daemon is", "")                                                               \
    X(stats, "stats", "", "[--watch]", "GET", "/v1/stats",                                         \
      "counts connections, bytes, messages, requests and runs", "")                                \
    X(limits, "limits", "", "", "GET", "/v1/limits",                                               \
      "lists every bound, where it was set and how often it refused something",                    \
      "of key value set_at refused")                                                               \
    X(why, "why", "", "[TASK]", "GET", "/v1/why",                                                  \
      "tells of the last events which tasks were considered, and what kept each from running",     \
      "")                                                                                          \
    X(log, "log", "",                                                                              \
      "[-f] [--task T] [--run R] [--session S] [--level L]", "GET", "/v1/log",                     \
      "prints the latest lines of the log; with -f goes on", "")                                   \
    X(backup, "backup", "", "FILE", "GET", "/v1/backup",                                           \
      "writes the registry into a file (- for standard output), for bellwired --restore", "")      \
    X(check, "check", "", "[-c PATH] [--strict]", "POST", "/v1/check",                             \
      "checks a configuration as a start would", "")                                               \
    X(reload, "reload", "", "", "POST", "/v1/reload",                                              \
      "loads the configuration anew; any error, and nothing changes", "")                          \
    X(schema, "schema", "", "", "GET", "/v1/schema",                                               \
      "prints the JSON Schema of a configuration file", "")                                        \
    X(reference, "reference", "", "", "GET", "/v1/reference",                                      \
      "prints every trigger, variable, action and key as Markdown", "")                            \
    X(version, "version", "", "", "GET", "/v1/version", "prints the version", "")
/* clang-format on */

#endif
