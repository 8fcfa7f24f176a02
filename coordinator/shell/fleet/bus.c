#include "bus.h"

#include "gates.h"
#include "message_codec.h"
#include "named_limits.h"
#include "relay.h"
#include "zap.h"

#include <stdlib.h>
#include <string.h>

#define ZAP_DOMAIN "pgtide"

struct Bus {
    Coordinator *coordinator;
    Zap *zap;
    ZSock *sock;
    Arena *arena;      /* of one report */
    Arena *send_arena; /* of one command */
    bool outranked;    /* at the last tick */
};

/* --- who may connect -------------------------------------------------------------------------- */

/* User-Ids: "o:KEYID" of an operator, "a:PLACE:KEYID" of the agent at that place of the roster. */
static void allow(Bus *bus, const PublicKeyInfo *key, const char *user_id)
{
    Error err;
    if (zap_allow(bus->zap, key->curve, user_id, &err) != ERR_OK)
        log_failure(LOG_ERROR, "bus.key_not_admitted", &err, "name", key->name, NULL);
}

static void on_refused(void *context, const uint8_t *key, const char *address)
{
    char text[CURVE_TEXT_SIZE] = "";
    (void)context;
    if (key != NULL)
        curve_format(key, text);
    log_event(LOG_WARN, "bus.connection_refused", "address", address, "key",
              key != NULL ? text : NULL, NULL);
}

static void forget_agent(Bus *bus, RosterAgent *agent)
{
    if (agent->connected) {
        agent->connected = false;
        rollouts_agent_down(bus->coordinator->rollouts, agent->key.name);
    }
    inventory_drop(bus->coordinator->inventory, agent->key.name);
    backups_drop(bus->coordinator->backups, agent->key.name);
}

void bus_renew_admissions(Bus *bus)
{
    Coordinator *coordinator = bus->coordinator;
    char user_id[ZAP_USER_SIZE];
    TrustPeer peer;
    zap_clear(bus->zap);
    for (size_t i = 0; trust_peer_at(coordinator->trust, i, &peer); i++) {
        if (peer.is_coordinator)
            continue;
        snprintf(user_id, sizeof user_id, "o:%s", peer.key->keyid);
        allow(bus, peer.key, user_id);
    }
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        RosterAgent *agent = roster_at(coordinator->roster, i);
        if (agent->revoked) {
            forget_agent(bus, agent);
            continue;
        }
        snprintf(user_id, sizeof user_id, "a:%zu:%s", i, agent->key.keyid);
        allow(bus, &agent->key, user_id);
    }
    coordinator->admissions_changed = false;
}

bool bus_peer(const Bus *bus, const ZMessage *message, BusPeer *ret_peer)
{
    const char *user = message->user_id;
    const Roster *roster = bus->coordinator->roster;
    *ret_peer = (BusPeer){0};
    if (str_starts_with(user, "o:")) {
        ret_peer->keyid = user + 2;
        return trust_find_operator(bus->coordinator->trust, ret_peer->keyid) != NULL;
    }
    if (!str_starts_with(user, "a:"))
        return false;
    char *end;
    unsigned long place = strtoul(user + 2, &end, 10);
    if (*end != ':' || place >= roster_count(roster))
        return false;
    ret_peer->agent = roster_at(roster, place);
    /* A connection of a key that has been replaced or revoked lives on, unheard. */
    return !ret_peer->agent->revoked && strcmp(ret_peer->agent->key.keyid, end + 1) == 0;
}

/* --- commands --------------------------------------------------------------------------------- */

static ErrCode sign_command(Bus *bus, const Command *command, uint8_t **ret_bytes,
                            size_t *ret_length, Error *err)
{
    uint8_t *payload;
    size_t length;
    const SecretKey *key = bus->coordinator->key;
    ErrCode code = command_encode(bus->send_arena, command, &payload, &length, err);
    if (code == ERR_OK)
        code = envelope_sign(bus->send_arena, MESSAGE_COMMAND, payload, length, &key, 1, ret_bytes,
                             ret_length, err);
    return code;
}

static void send_command(Bus *bus, RosterAgent *agent, Command *command)
{
    const Coordinator *coordinator = bus->coordinator;
    uint8_t *bytes;
    size_t length;
    Error err;
    if (!agent->connected || coordinator_is_read_only(coordinator))
        return;
    arena_reset(bus->send_arena);
    command->fleet_id = *trust_fleet_id(coordinator->trust);
    command->agent = agent->key.name;
    command->agent_boot = agent->boot;
    command->epoch = journal_epoch(coordinator->journal);
    command->sequence = ++agent->sequence_sent;
    command->not_after_uptime_ms =
        agent->uptime_ms + (coordinator->now_ms - agent->uptime_at_ms) + LIMIT_COMMAND_TTL_MS;
    command->sent_unix_ms = coordinator->unix_ms;
    ErrCode code = sign_command(bus, command, &bytes, &length, &err);
    if (code == ERR_OK)
        code = zsock_send(bus->sock, &agent->route, bytes, length, &err);
    agent->sent_ms = coordinator->now_ms;
    if (code == ERR_CONNECT)
        agent->lost = true;
    else if (code != ERR_OK)
        log_failure(LOG_WARN, "bus.command_not_sent", &err, "agent", agent->key.name, NULL);
}

static void sink_send(void *context, const char *name, Command *command)
{
    Bus *bus = context;
    RosterAgent *agent = roster_find(bus->coordinator->roster, name);
    if (agent != NULL)
        send_command(bus, agent, command);
}

void bus_reply(Bus *bus, const ZRoute *route, const void *bytes, size_t length)
{
    Error err;
    if (zsock_send(bus->sock, route, bytes, length, &err) != ERR_OK)
        log_failure(LOG_DEBUG, "bus.answer_not_sent", &err, NULL);
}

/* --- an agent comes and goes ------------------------------------------------------------------ */

static void agent_down(Bus *bus, RosterAgent *agent, const char *why)
{
    agent->connected = false;
    agent->lost = false;
    log_event(LOG_WARN, "agent.down", "agent", agent->key.name, "reason", why, NULL);
    coordinator_changed(bus->coordinator);
    if (!coordinator_is_read_only(bus->coordinator))
        rollouts_agent_down(bus->coordinator->rollouts, agent->key.name);
}

static void agent_up(Bus *bus, RosterAgent *agent, const ZRoute *route)
{
    const Settings *settings = &bus->coordinator->settings;
    agent->connected = true;
    agent->lost = false;
    agent->route = *route;
    log_event(LOG_INFO, "agent.up", "agent", agent->key.name, "host",
              agent->host[0] != '\0' ? agent->host : NULL, "version",
              agent->version[0] != '\0' ? agent->version : NULL, NULL);
    send_command(bus, agent,
                 &(Command){.kind = COMMAND_WELCOME,
                            .welcome = {agent->boot, (uint32_t)settings->heartbeat_ms,
                                        (uint32_t)settings->silence_deadline_ms}});
    send_command(bus, agent, &(Command){.kind = COMMAND_REFRESH});
    coordinator_changed(bus->coordinator);
    if (!coordinator_is_read_only(bus->coordinator))
        rollouts_agent_up(bus->coordinator->rollouts, agent->key.name);
}

/* Who came and went, and what was to be sent, was kept from the rollouts while somebody outranked
 * this coordinator: once the witness is revoked they hear where things stand. */
static void tell_rollouts_anew(Bus *bus)
{
    Coordinator *coordinator = bus->coordinator;
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        const RosterAgent *agent = roster_at(coordinator->roster, i);
        if (agent->connected)
            rollouts_agent_up(coordinator->rollouts, agent->key.name);
        else
            rollouts_agent_down(coordinator->rollouts, agent->key.name);
    }
}

void bus_tick(Bus *bus)
{
    const Coordinator *coordinator = bus->coordinator;
    uint64_t now_ms = coordinator->now_ms;
    bool outranked = coordinator_is_read_only(coordinator);
    if (bus->outranked && !outranked)
        tell_rollouts_anew(bus);
    bus->outranked = outranked;
    for (size_t i = 0; i < roster_count(coordinator->roster); i++) {
        RosterAgent *agent = roster_at(coordinator->roster, i);
        if (!agent->connected)
            continue;
        if (agent->lost)
            agent_down(bus, agent, "its connection is gone");
        else if (now_ms - agent->heard_ms >= coordinator->settings.agent_deadline_ms)
            agent_down(bus, agent, "silent");
        else if (now_ms - agent->sent_ms >= coordinator->settings.heartbeat_ms)
            send_command(bus, agent, &(Command){.kind = COMMAND_HEARTBEAT});
    }
}

/* --- reports ---------------------------------------------------------------------------------- */

static const uint8_t *lookup_agent(void *context, const char *keyid)
{
    const RosterAgent *agent = context;
    return strcmp(agent->key.keyid, keyid) == 0 ? agent->key.ed25519 : NULL;
}

static ErrCode open_report(Bus *bus, RosterAgent *agent, const ZMessage *message, Report *out,
                           Error *err)
{
    const uint8_t *payload;
    size_t length;
    ErrCode code = envelope_open(bus->arena, message->bytes, message->length, MESSAGE_REPORT,
                                 lookup_agent, agent, &payload, &length, NULL, err);
    if (code == ERR_OK)
        code = report_decode(bus->arena, payload, length, out, err);
    if (code != ERR_OK)
        return code;
    if (!uuid_equal(&out->fleet_id, trust_fleet_id(bus->coordinator->trust)))
        return err_set(err, ERR_REFUSED, "a report for another fleet");
    if (strcmp(out->agent, agent->key.name) != 0)
        return err_set(err, ERR_REFUSED, "a report in the name of agent %s", out->agent);
    return ERR_OK;
}

static ErrCode check_clock(const Bus *bus, const Report *report, Error *err)
{
    uint64_t now = bus->coordinator->unix_ms;
    if (report->sent_unix_ms + LIMIT_CLOCK_SKEW_MS >= now &&
        report->sent_unix_ms <= now + LIMIT_CLOCK_SKEW_MS)
        return ERR_OK;
    err_set(err, ERR_STALE, "the agent's clock differs by more than 5 minutes");
    err_hint(err, "Set the clock of the agent's host.");
    return ERR_STALE;
}

/* Each report once and in order. A boot not seen before begins a new order; this process may have
 * been restarted since the agent said HELLO, so any report may be the first. */
static ErrCode check_order(Bus *bus, RosterAgent *agent, const Report *report, Error *err)
{
    if (!uuid_equal(&agent->boot, &report->agent_boot)) {
        ErrCode code = check_clock(bus, report, err);
        if (code == ERR_OK)
            code = roster_new_boot(agent, &report->agent_boot, err);
        if (code != ERR_OK)
            return code;
        if (agent->connected)
            agent_down(bus, agent, "started anew");
    }
    if (report->sequence <= agent->sequence_seen)
        return err_set(err, ERR_STALE, "report %llu came after report %llu",
                       (unsigned long long)report->sequence,
                       (unsigned long long)agent->sequence_seen);
    agent->sequence_seen = report->sequence;
    return ERR_OK;
}

static void note_heard(Bus *bus, RosterAgent *agent, const Report *report)
{
    Coordinator *coordinator = bus->coordinator;
    agent->uptime_ms = report->uptime_ms;
    agent->uptime_at_ms = coordinator->now_ms;
    agent->heard_ms = coordinator->now_ms;
    agent->heard_unix_ms = coordinator->unix_ms;
    coordinator_note_epoch(coordinator, agent, report->epoch);
    if (report->kind == REPORT_HELLO) {
        snprintf(agent->host, sizeof agent->host, "%s", report->hello.host);
        snprintf(agent->version, sizeof agent->version, "%s", report->hello.version);
    } else if (report->kind == REPORT_INVENTORY) {
        snprintf(agent->host, sizeof agent->host, "%s", report->inventory.host);
    }
}

static void take_backups(Bus *bus, RosterAgent *agent, const BackupListing *part)
{
    bool replaced = false;
    Error err;
    if (backups_part(bus->coordinator->backups, agent->key.name, part, &replaced, &err) != ERR_OK)
        log_failure(LOG_WARN, "backups.refused", &err, "agent", agent->key.name, NULL);
    else if (replaced)
        coordinator_changed(bus->coordinator);
}

static void take_inventory(Bus *bus, RosterAgent *agent, const Inventory *part)
{
    Coordinator *coordinator = bus->coordinator;
    bool replaced = false;
    Error err;
    if (inventory_part(coordinator->inventory, agent->key.name, part, coordinator->now_ms,
                       coordinator->unix_ms, &replaced, &err) != ERR_OK) {
        log_failure(LOG_WARN, "inventory.refused", &err, "agent", agent->key.name, NULL);
        return;
    }
    if (!replaced)
        return;
    log_event(LOG_DEBUG, "inventory.received", "agent", agent->key.name, "snapshot",
              LOG_UINT(part->snapshot), NULL);
    coordinator_changed(coordinator);
    if (!coordinator_is_read_only(coordinator))
        coordinator_learn(coordinator, agent->key.name);
}

static void log_job(const RosterAgent *agent, const JobReport *job)
{
    char shard[UUID_TEXT_SIZE];
    char rollout[UUID_TEXT_SIZE];
    bool good = job->outcome == OUTCOME_SUCCEEDED || job->outcome == OUTCOME_STOPPED;
    if (job->outcome == OUTCOME_UNSPECIFIED)
        return;
    uuid_format(&job->shard, shard);
    uuid_format(&job->rollout_id, rollout);
    log_event(good ? LOG_INFO : LOG_WARN, "job.reported", "agent", agent->key.name, "rollout",
              rollout, "shard", shard, "outcome", outcome_name(job->outcome), "direction",
              direction_name(job->direction), "attempt", LOG_UINT(job->attempt), "code",
              job->code[0] != '\0' ? job->code : NULL, "message",
              job->message[0] != '\0' ? job->message : NULL, NULL);
}

static void take_jobs(Bus *bus, RosterAgent *agent, const JobReports *jobs, const ZMessage *message)
{
    HeardReport heard = {.envelope = {message->bytes, message->length}};
    if (coordinator_is_read_only(bus->coordinator))
        return;
    for (size_t i = 0; i < jobs->count; i++) {
        log_job(agent, &jobs->items[i]);
        rollouts_job(bus->coordinator->rollouts, agent->key.name, &jobs->items[i], &heard);
    }
}

static void take_fetch(Bus *bus, RosterAgent *agent, const BlobFetch *fetch)
{
    Error err;
    uint64_t total = 0;
    size_t length = 0;
    uint8_t *buffer = arena_alloc(bus->arena, LIMIT_CHUNK_BYTES);
    if (blob_read_piece(bus->coordinator->blobs, &fetch->digest, fetch->offset, buffer,
                        LIMIT_CHUNK_BYTES, &length, &total, &err) != ERR_OK) {
        log_failure(LOG_WARN, "blob.not_given", &err, "agent", agent->key.name, NULL);
        total = 0; /* no such blob */
        length = 0;
    }
    send_command(bus, agent,
                 &(Command){.kind = COMMAND_CHUNK,
                            .chunk = {.digest = fetch->digest,
                                      .offset = total == 0 ? 0 : fetch->offset,
                                      .total = total,
                                      .bytes = {buffer, length}}});
}

static void dispatch(Bus *bus, RosterAgent *agent, const Report *report, const ZMessage *message)
{
    switch (report->kind) {
    case REPORT_HEARTBEAT:
        agent->jobs_running = report->heartbeat.jobs_running;
        break;
    case REPORT_INVENTORY:
        take_inventory(bus, agent, &report->inventory);
        break;
    case REPORT_BACKUPS:
        take_backups(bus, agent, &report->backups);
        break;
    case REPORT_JOBS:
        take_jobs(bus, agent, &report->jobs, message);
        break;
    case REPORT_FETCH:
        take_fetch(bus, agent, &report->fetch);
        break;
    case REPORT_LOOKED:
        if (!coordinator_is_read_only(bus->coordinator))
            gates_looked(bus->coordinator->gates, agent->key.name, &report->looked);
        break;
    case REPORT_REFUSAL:
        log_event(LOG_WARN, "agent.refused_command", "agent", agent->key.name, "sequence",
                  LOG_UINT(report->refusal.sequence), "code", report->refusal.code, "message",
                  report->refusal.message, NULL);
        break;
    case REPORT_TASK_DONE:
        relay_take(bus->coordinator->relay, agent->key.name, &report->task_done);
        break;
    case REPORT_HELLO:
    case REPORT_UNSPECIFIED:
    case REPORT_KIND_COUNT:
        break;
    }
}

/* A key that contradicts itself for ever could fill the disk: its words lead to so many records in
 * an hour, and no more. Nothing is lost by not hearing it: what it was told is told again. */
static bool may_be_heard(const Bus *bus, RosterAgent *agent)
{
    enum { HOUR_MS = 60 * 60 * 1000 };
    uint64_t now_ms = bus->coordinator->now_ms;
    if (agent->records_at_ms == 0 || now_ms - agent->records_at_ms >= HOUR_MS) {
        agent->records = 0;
        agent->records_at_ms = now_ms;
        agent->muted = false;
    }
    if (agent->muted || agent->records <= LIMIT_AGENT_RECORDS)
        return !agent->muted;
    uint64_t shards = rollouts_agent_shards(bus->coordinator->rollouts, agent->key.name);
    if (agent->records <= LIMIT_AGENT_RECORDS + shards * LIMIT_AGENT_RECORDS_PER_SHARD)
        return true;
    agent->muted = true;
    log_event(LOG_ERROR, "agent.muted", "agent", agent->key.name, "records",
              LOG_UINT(agent->records), "reason",
              "its reports have led to more journal records than work explains; it is not heard "
              "until an hour is over",
              "hint", "Look at that host; `pgtide fleet revoke` if its key is in wrong hands.",
              NULL);
    return false;
}

static void take_report(Bus *bus, RosterAgent *agent, const ZMessage *message)
{
    Report report;
    Error err;
    arena_reset(bus->arena);
    ErrCode code = open_report(bus, agent, message, &report, &err);
    if (code == ERR_OK)
        code = check_order(bus, agent, &report, &err);
    if (code != ERR_OK) {
        log_failure(LOG_WARN, "report.refused", &err, "agent", agent->key.name, NULL);
        return;
    }
    note_heard(bus, agent, &report);
    bool moved = memcmp(&agent->route, &message->route, sizeof agent->route) != 0;
    if (agent->connected && moved)
        agent_down(bus, agent, "reconnected"); /* what was under way to it may be lost */
    if (!agent->connected)
        agent_up(bus, agent, &message->route);
    else if (report.kind == REPORT_HELLO) /* it has missed our welcome */
        send_command(
            bus, agent,
            &(Command){.kind = COMMAND_WELCOME,
                       .welcome = {agent->boot, (uint32_t)bus->coordinator->settings.heartbeat_ms,
                                   (uint32_t)bus->coordinator->settings.silence_deadline_ms}});
    dispatch(bus, agent, &report, message);
}

void bus_take_report(Bus *bus, RosterAgent *agent, const ZMessage *message)
{
    const Journal *journal = bus->coordinator->journal;
    if (!may_be_heard(bus, agent))
        return;
    uint64_t before = journal_last_seq(journal);
    take_report(bus, agent, message);
    agent->records += journal_last_seq(journal) - before;
}

/* --- opening ---------------------------------------------------------------------------------- */

ErrCode bus_open(Coordinator *coordinator, uv_loop_t *loop, void *zmq, ZSockOnMessage on_message,
                 void *context, Bus **ret_bus, Error *err)
{
    Bus *bus = xcalloc(1, sizeof *bus);
    bus->coordinator = coordinator;
    bus->arena = arena_new();
    bus->send_arena = arena_new();
    ErrCode code = zap_start(loop, zmq, ZAP_DOMAIN, &bus->zap, err);
    if (code == ERR_OK) {
        zap_on_refused(bus->zap, on_refused, bus);
        bus_renew_admissions(bus);
        code = zsock_router_bind(
            &(ZRouterSettings){
                .loop = loop,
                .zmq = zmq,
                .endpoint = coordinator->settings.listen,
                .zap_domain = ZAP_DOMAIN,
                .secret = key_curve_secret(coordinator->key),
                .message_bytes_max = LIMIT_REQUEST_BYTES + 4096, /* and of reports */
                .on_message = on_message,
                .context = context,
            },
            &bus->sock, err);
    }
    if (code != ERR_OK) {
        bus_free(bus);
        return code;
    }
    coordinator->sink = (CommandSink){bus, sink_send};
    *ret_bus = bus;
    return ERR_OK;
}

void bus_free(Bus *bus)
{
    if (bus == NULL)
        return;
    bus->coordinator->sink = (CommandSink){0};
    zsock_free(bus->sock);
    zap_free(bus->zap);
    arena_free(bus->arena);
    arena_free(bus->send_arena);
    free(bus);
}

const char *bus_endpoint(const Bus *bus)
{
    return zsock_endpoint(bus->sock);
}
