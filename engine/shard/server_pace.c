#include "server_pace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_EVERY_MS = 500,
    LOOK_EARLY_MS = 50,
    LOOK_DEADLINE_MS = 5000,
    RECONNECT_MS = 5000,
};

typedef struct Server Server;

struct PaceTicket {
    Server *server;
    PaceTicket *next; /* of the server's, in the order in which they had their turns */
    const ShardTarget *target;
    PaceRules rules;
    PaceTurnCb *cb;
    void *data;
    PaceHold hold;
    char reason[120];
    bool asks;
    bool has_turn;
};

struct Server {
    ServerPaces *paces;
    Server *next;
    uint64_t system_identifier;
    PaceTicket *tickets;
    Arena *arena; /* of the look in hand */
    PgConn *conn; /* NULL = none */
    bool connected;
    bool looking;
    uint64_t retry_ms; /* not before */
    uv_timer_t timer;
    PaceSamples samples;
    char trouble[120]; /* why it can't be looked at; '' */
};

struct ServerPaces {
    uv_loop_t *loop;
    Server *servers;
};

static const char prepare_sql[] =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false)";

/* WAL files are numbered by 2^32 / size of a segment to the log. The one that is written now is not
 * complete. */
static const char look_sql[] =
    "WITH w AS (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0') AS written,"
    "  pg_size_bytes(current_setting('wal_segment_size')) AS segment),"
    " r AS (SELECT pg_wal_lsn_diff(min(replay_lsn), '0/0') AS replayed,"
    "  extract(epoch FROM max(replay_lag)) * 1000 AS lag_ms FROM pg_stat_replication),"
    " a AS (SELECT CASE WHEN last_archived_wal ~ '^[0-9A-F]{24}$' THEN last_archived_wal END AS wal"
    "  FROM pg_stat_archiver WHERE current_setting('archive_mode') <> 'off')"
    " SELECT written::int8, replayed::int8, coalesce(lag_ms, 0)::int8,"
    " coalesce((SELECT greatest(0, floor(written / segment)"
    "  - ('x' || substr(wal, 9, 8))::bit(32)::int8 * (4294967296 / segment)"
    "  - ('x' || substr(wal, 17, 8))::bit(32)::int8 - 1) FROM a), 0)::int8,"
    " (SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
    "  AND backend_type = 'client backend' AND pid <> pg_backend_pid()),"
    " (SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'unreserved') FROM w, r";

/* --- turns ------------------------------------------------------------------------------------ */

static bool has_turn(const Server *server)
{
    for (const PaceTicket *ticket = server->tickets; ticket != NULL; ticket = ticket->next) {
        if (ticket->has_turn)
            return true;
    }
    return false;
}

static bool is_fresh(const Server *server)
{
    const PaceSamples *samples = &server->samples;
    return samples->count > 0 &&
           uv_now(server->paces->loop) - samples->items[samples->count - 1].at_ms <
               LOOK_DEADLINE_MS + LOOK_EVERY_MS;
}

static bool may_go(PaceTicket *ticket)
{
    const Server *server = ticket->server;
    if (pace_rules_are_empty(&ticket->rules))
        return true;
    if (is_fresh(server))
        return pace_may_go(&ticket->rules, &server->samples, &ticket->hold, ticket->reason,
                           sizeof ticket->reason);
    snprintf(ticket->reason, sizeof ticket->reason, "%s",
             server->trouble[0] == '\0' ? "the server has not been looked at yet"
                                        : server->trouble);
    return false;
}

static void move_to_end(PaceTicket *ticket)
{
    PaceTicket **at = &ticket->server->tickets;
    while (*at != ticket)
        at = &(*at)->next;
    *at = ticket->next;
    while (*at != NULL)
        at = &(*at)->next;
    *at = ticket;
    ticket->next = NULL;
}

/* The first that asks and may go; the others are told why not. A callback may make its ticket
 * leave, and no other. */
static void give_turns(Server *server, bool tell)
{
    bool taken = has_turn(server);
    PaceTicket *next;
    PaceTicket *chosen = NULL;
    for (PaceTicket *ticket = server->tickets; ticket != NULL; ticket = next) {
        next = ticket->next;
        if (!ticket->asks)
            continue;
        bool may = may_go(ticket);
        if (may && !taken && chosen == NULL) {
            chosen = ticket;
            ticket->asks = false;
            ticket->has_turn = true;
            continue;
        }
        if (tell)
            ticket->cb(false, may ? "another backfill's turn" : ticket->reason, ticket->data);
    }
    if (chosen == NULL)
        return;
    move_to_end(chosen);
    chosen->cb(true, "", chosen->data);
}

/* --- looking ---------------------------------------------------------------------------------- */

static void drop_connection(Server *server, const char *why)
{
    snprintf(server->trouble, sizeof server->trouble, "the server can't be looked at: %.80s", why);
    pg_close(server->conn);
    server->conn = NULL;
    server->connected = server->looking = false;
    server->retry_ms = uv_now(server->paces->loop) + RECONNECT_MS;
}

static void on_looked(PgConn *conn, const PgReply *reply, void *data)
{
    (void)conn;
    Server *server = data;
    server->looking = false;
    if (reply->error != NULL) {
        drop_connection(server, reply->error->message);
        return;
    }
    const PgResult *answer = &reply->results[reply->count - 1];
    PaceSample sample = {
        .at_ms = uv_now(server->paces->loop),
        .wal_bytes = pg_u64(answer, 0, 0),
        .has_replicas = !pg_is_null(answer, 0, 1),
        .replay_bytes = pg_u64(answer, 0, 1),
        .replay_lag_ms = pg_u64(answer, 0, 2),
        .archive_files = pg_u64(answer, 0, 3),
        .sessions = (uint32_t)pg_u64(answer, 0, 4),
        .slots_at_risk = (uint32_t)pg_u64(answer, 0, 5),
    };
    server->trouble[0] = '\0';
    pace_sample_add(&server->samples, &sample);
    give_turns(server, true);
}

static void look(Server *server, bool first)
{
    arena_reset(server->arena);
    PgBatch batch = pg_batch(server->arena);
    if (first)
        pg_batch_add(&batch, prepare_sql);
    pg_batch_add(&batch, look_sql);
    server->looking = true;
    pg_send(server->conn, &batch, LOOK_DEADLINE_MS, on_looked, server);
}

static void on_connected(PgConn *conn, const Error *err, void *data)
{
    (void)conn;
    Server *server = data;
    server->connected = err == NULL;
    if (err != NULL)
        drop_connection(server, err->message);
    else
        look(server, true);
}

static void connect_to(Server *server, const ShardTarget *target)
{
    server->conn = pg_conn_new(server->paces->loop);
    pg_use_passwords(server->conn, target->passwords);
    pg_connect(server->conn, target->conninfo, target->conninfo_count, target->connect_timeout_ms,
               on_connected, server);
}

static const PaceTicket *one_with_rules(const Server *server)
{
    const PaceTicket *ticket = server->tickets;
    while (ticket != NULL && pace_rules_are_empty(&ticket->rules))
        ticket = ticket->next;
    return ticket;
}

/* Turns that end make the timer come early. */
static bool is_due(const Server *server)
{
    const PaceSamples *samples = &server->samples;
    return samples->count == 0 ||
           uv_now(server->paces->loop) - samples->items[samples->count - 1].at_ms >=
               LOOK_EVERY_MS - LOOK_EARLY_MS;
}

static void on_tick(uv_timer_t *timer)
{
    Server *server = timer->data;
    const PaceTicket *ticket = one_with_rules(server);
    if (ticket != NULL && server->conn == NULL && uv_now(server->paces->loop) >= server->retry_ms)
        connect_to(server, ticket->target);
    else if (ticket != NULL && server->connected && !server->looking && is_due(server))
        look(server, false);
    give_turns(server, !server->connected);
}

/* --- life ------------------------------------------------------------------------------------- */

ServerPaces *server_paces_new(uv_loop_t *loop)
{
    ServerPaces *paces = xcalloc(1, sizeof *paces);
    paces->loop = loop;
    return paces;
}

void server_paces_free(ServerPaces *paces)
{
    free(paces); /* a server lives as long as its tickets */
}

static Server *find_server(ServerPaces *paces, uint64_t system_identifier)
{
    Server *server = paces->servers;
    while (server != NULL && server->system_identifier != system_identifier)
        server = server->next;
    if (server != NULL)
        return server;
    server = xcalloc(1, sizeof *server);
    server->paces = paces;
    server->system_identifier = system_identifier;
    server->arena = arena_new();
    server->next = paces->servers;
    paces->servers = server;
    uv_timer_init(paces->loop, &server->timer);
    server->timer.data = server;
    return server;
}

static void on_timer_closed(uv_handle_t *handle)
{
    Server *server = handle->data;
    arena_free(server->arena);
    free(server);
}

static void end_server(Server *server)
{
    Server **at = &server->paces->servers;
    while (*at != server)
        at = &(*at)->next;
    *at = server->next;
    pg_close(server->conn);
    uv_close((uv_handle_t *)&server->timer, on_timer_closed);
}

PaceTicket *server_pace_join(ServerPaces *paces, uint64_t system_identifier,
                             const ShardTarget *target, const PaceRules *rules, PaceTurnCb *cb,
                             void *data)
{
    PaceTicket *ticket = xcalloc(1, sizeof *ticket);
    *ticket = (PaceTicket){
        .server = find_server(paces, system_identifier),
        .target = target,
        .rules = *rules,
        .cb = cb,
        .data = data,
    };
    PaceTicket **at = &ticket->server->tickets;
    while (*at != NULL)
        at = &(*at)->next;
    *at = ticket;
    return ticket;
}

void server_pace_leave(PaceTicket *ticket)
{
    if (ticket == NULL)
        return;
    Server *server = ticket->server;
    PaceTicket **at = &server->tickets;
    while (*at != ticket)
        at = &(*at)->next;
    *at = ticket->next;
    free(ticket);
    if (server->tickets == NULL)
        end_server(server);
    else /* its turn is another's */
        uv_timer_start(&server->timer, on_tick, 0, LOOK_EVERY_MS);
}

/* The answer comes from the loop, at once when nothing is in the way. */
void server_pace_ask(PaceTicket *ticket)
{
    ticket->asks = true;
    uv_timer_start(&ticket->server->timer, on_tick, 0, LOOK_EVERY_MS);
}

void server_pace_done(PaceTicket *ticket)
{
    if (!ticket->has_turn)
        return;
    ticket->has_turn = false;
    uv_timer_start(&ticket->server->timer, on_tick, 0, LOOK_EVERY_MS);
}
