/* Every trigger kind, sorted: one line each. */
TRIGGER(http_request)
TRIGGER(server_close)
TRIGGER(server_message)
TRIGGER(server_open)
TRIGGER(startup)
