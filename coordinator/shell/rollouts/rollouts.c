/*
 * The book of plans and rollouts, and the drive of their cores. Every change follows the same way:
 * an event goes into the core, its effects are executed in order, PERSIST by appending to the
 * journal; when the journal says durable, PERSISTED goes into the core, and only what comes out
 * then is sent. Nothing here sends by itself.
 */
#include "coordinator.h"

#include "digest.h"
#include "gates.h"
#include "named_limits.h"
#include "uuid_map.h"

#include <stdlib.h>
#include <string.h>

/* A record that is on its way to the disk. */
typedef struct Pending {
    uint64_t seq;
    RolloutEntry *entry;
    uint64_t number;
} Pending;

struct Rollouts {
    Coordinator *coordinator;
    RolloutEntry **entries;
    size_t count;
    size_t capacity;
    UuidMap *by_id;
    UuidMap *holders; /* shard -> entry << 32 | index */
    Pending *pending;
    size_t pending_head;
    size_t pending_count;
    size_t pending_capacity;
    Arena *step_arena;
    HeardReport *heard; /* the report that the present step is about; NULL: none */
};

Rollouts *rollouts_new(Coordinator *coordinator)
{
    Rollouts *rollouts = xcalloc(1, sizeof *rollouts);
    rollouts->coordinator = coordinator;
    rollouts->by_id = uuid_map_new();
    rollouts->holders = uuid_map_new();
    rollouts->step_arena = arena_new();
    return rollouts;
}

static void entry_free(RolloutEntry *entry)
{
    if (entry == NULL)
        return;
    merkle_tree_free(entry->tree);
    rollout_free(entry->core);
    free(entry->approvals);
    rollout_log_free(&entry->log);
    activities_free(&entry->activities);
    longest_free(&entry->longest);
    arena_free(entry->arena);
    free(entry);
}

void rollouts_free(Rollouts *rollouts)
{
    if (rollouts == NULL)
        return;
    for (size_t i = 0; i < rollouts->count; i++)
        entry_free(rollouts->entries[i]);
    free(rollouts->entries);
    free(rollouts->pending);
    uuid_map_free(rollouts->by_id);
    uuid_map_free(rollouts->holders);
    arena_free(rollouts->step_arena);
    free(rollouts);
}

/* --- looking up ------------------------------------------------------------------------------- */

size_t rollouts_count(const Rollouts *rollouts)
{
    return rollouts->count;
}

RolloutEntry *rollouts_at(const Rollouts *rollouts, size_t index)
{
    return rollouts->entries[index];
}

RolloutEntry *rollouts_find_id(const Rollouts *rollouts, const Uuid *id)
{
    uint64_t index;
    return uuid_map_get(rollouts->by_id, id, &index) ? rollouts->entries[index] : NULL;
}

RolloutEntry *rollouts_find_digest(const Rollouts *rollouts, const Digest *plan_digest)
{
    for (size_t i = rollouts->count; i > 0; i--) {
        if (digest_equal(&rollouts->entries[i - 1]->plan_digest, plan_digest))
            return rollouts->entries[i - 1];
    }
    return NULL;
}

/* The open one of that name, of which there is one at most: whoever stops a rollout must not meet
 * a plan that was made since. Else the newest. */
static RolloutEntry *find_name(const Rollouts *rollouts, const char *name, bool started)
{
    RolloutEntry *newest = NULL;
    for (size_t i = rollouts->count; i > 0; i--) {
        RolloutEntry *entry = rollouts->entries[i - 1];
        if (strcmp(entry->header.name, name) != 0 || (started && !entry->started))
            continue;
        if (rollout_entry_is_open(entry))
            return entry;
        newest = newest == NULL ? entry : newest;
    }
    return newest;
}

static ErrCode find_entry(const Rollouts *rollouts, const char *name_or_id, bool started,
                          RolloutEntry **ret_entry, Error *err)
{
    Uuid id;
    RolloutEntry *found = NULL;
    if (uuid_parse(name_or_id, &id))
        found = rollouts_find_id(rollouts, &id);
    if (found == NULL)
        found = find_name(rollouts, name_or_id, started);
    if (found == NULL && started)
        found = find_name(rollouts, name_or_id, false);
    if (found == NULL) {
        err_set(err, ERR_NOT_FOUND, "no rollout %s", name_or_id);
        err_hint(err, "`pgtide rollout list` shows them.");
        return ERR_NOT_FOUND;
    }
    *ret_entry = found;
    return ERR_OK;
}

ErrCode rollouts_find(const Rollouts *rollouts, const char *name_or_id, RolloutEntry **ret_entry,
                      Error *err)
{
    return find_entry(rollouts, name_or_id, false, ret_entry, err);
}

ErrCode rollouts_find_started(const Rollouts *rollouts, const char *name_or_id,
                              RolloutEntry **ret_entry, Error *err)
{
    return find_entry(rollouts, name_or_id, true, ret_entry, err);
}

size_t rollouts_named(const Rollouts *rollouts, const char *name)
{
    size_t count = 0;
    for (size_t i = 0; i < rollouts->count; i++)
        count += strcmp(rollouts->entries[i]->header.name, name) == 0;
    return count;
}

RolloutEntry *rollouts_holder(const Rollouts *rollouts, const Uuid *shard, uint32_t *ret_index)
{
    uint64_t place;
    if (!uuid_map_get(rollouts->holders, shard, &place))
        return NULL;
    *ret_index = (uint32_t)place;
    return rollouts->entries[place >> 32];
}

uint32_t rollout_entry_approved(const RolloutEntry *entry)
{
    uint32_t count = 0;
    for (size_t i = 0; i < entry->approval_count; i++)
        count += entry->approvals[i].approval.verdict == VERDICT_APPROVED ? 1 : 0;
    return count;
}

uint32_t rollout_entry_rejected(const RolloutEntry *entry)
{
    return (uint32_t)entry->approval_count - rollout_entry_approved(entry);
}

RolloutState rollout_entry_state(const RolloutEntry *entry)
{
    if (entry->started)
        return rollout_state(entry->core);
    bool approved = rollout_entry_rejected(entry) == 0 &&
                    rollout_entry_approved(entry) >= entry->header.policy.approvals;
    return approved ? ROLLOUT_APPROVED : ROLLOUT_DRAFT;
}

bool rollout_entry_is_open(const RolloutEntry *entry)
{
    return entry->started && !rollout_state_is_terminal(rollout_state(entry->core));
}

/* --- plans and approvals ---------------------------------------------------------------------- */

static ErrCode entry_load(const Coordinator *coordinator, RolloutEntry *entry,
                          const PlanSubmitted *submitted, Error *err)
{
    Arena *arena = entry->arena;
    const uint8_t *header_bytes;
    const uint8_t *draft_bytes;
    size_t header_length;
    size_t draft_length;
    uint8_t *blob;
    size_t blob_length;
    PlanFile file;
    ErrCode code =
        blob_read(coordinator->blobs, arena, &submitted->plan_blob, &blob, &blob_length, err);
    if (code == ERR_OK)
        code = plan_file_decode(arena, blob, blob_length, &file, err);
    if (code == ERR_OK)
        code =
            envelope_peek_unverified(arena, file.header_envelope.bytes, file.header_envelope.length,
                                     MESSAGE_PLAN, &draft_bytes, &draft_length, NULL, err);
    if (code == ERR_OK)
        code = envelope_peek_unverified(arena, submitted->header_envelope.bytes,
                                        submitted->header_envelope.length, MESSAGE_PLAN,
                                        &header_bytes, &header_length, NULL, err);
    if (code != ERR_OK)
        return code;
    if (header_length != draft_length || memcmp(header_bytes, draft_bytes, header_length) != 0)
        return err_set(err, ERR_DIGEST_MISMATCH,
                       "the header that was signed is not the plan's header");
    code = plan_header_decode(arena, header_bytes, header_length, &entry->header, err);
    if (code == ERR_OK)
        code = plan_file_check(arena, &file, &entry->header, &entry->shards, err);
    if (code == ERR_OK)
        code = rollout_new(&entry->header, entry->shards, entry->header.shard_count, &entry->core,
                           err);
    if (code != ERR_OK)
        return code;
    entry->plan_digest = sha256_bytes(header_bytes, header_length);
    entry->plan_blob = submitted->plan_blob;
    entry->bundle_blob = submitted->bundle_blob;
    entry->shard_bytes = file.shards;
    entry->header_envelope.length = submitted->header_envelope.length;
    entry->header_envelope.bytes =
        arena_memdup(arena, submitted->header_envelope.bytes, submitted->header_envelope.length);
    return ERR_OK;
}

static void touch(Rollouts *rollouts, RolloutEntry *entry)
{
    coordinator_changed(rollouts->coordinator);
    entry->revision = rollouts->coordinator->revision;
}

ErrCode rollouts_add_plan(Rollouts *rollouts, const PlanSubmitted *submitted,
                          RolloutEntry **ret_entry, Error *err)
{
    RolloutEntry *entry = xcalloc(1, sizeof *entry);
    entry->arena = arena_new();
    ErrCode code = entry_load(rollouts->coordinator, entry, submitted, err);
    if (code == ERR_OK && rollouts_find_id(rollouts, &entry->header.rollout_id) != NULL)
        code = err_set(err, ERR_EXISTS, "rollout %s was submitted already", entry->header.name);
    if (code != ERR_OK) {
        entry_free(entry);
        return code;
    }
    if (rollouts->count == rollouts->capacity) {
        rollouts->capacity = rollouts->capacity == 0 ? 16 : rollouts->capacity * 2;
        rollouts->entries =
            xrealloc(rollouts->entries, rollouts->capacity * sizeof *rollouts->entries);
    }
    uuid_map_put(rollouts->by_id, &entry->header.rollout_id, rollouts->count);
    rollouts->entries[rollouts->count++] = entry;
    touch(rollouts, entry);
    *ret_entry = entry;
    return ERR_OK;
}

static PlanApproval *find_approval(const RolloutEntry *entry, const char *keyid)
{
    for (size_t i = 0; i < entry->approval_count; i++) {
        if (strcmp(entry->approvals[i].keyid, keyid) == 0)
            return &entry->approvals[i];
    }
    return NULL;
}

static PlanApproval *add_approval(RolloutEntry *entry)
{
    if (entry->approval_count == entry->approval_capacity) {
        entry->approval_capacity = entry->approval_capacity == 0 ? 4 : entry->approval_capacity * 2;
        entry->approvals =
            xrealloc(entry->approvals, entry->approval_capacity * sizeof *entry->approvals);
    }
    return &entry->approvals[entry->approval_count++];
}

void rollouts_add_approval(Rollouts *rollouts, RolloutEntry *entry, ByteSpan envelope,
                           const char *keyid, const Approval *approval)
{
    PlanApproval *added = find_approval(entry, keyid);
    if (added == NULL)
        added = add_approval(entry);
    *added = (PlanApproval){.approval = *approval};
    added->envelope.bytes = arena_memdup(entry->arena, envelope.bytes, envelope.length);
    added->envelope.length = envelope.length;
    added->approval.reason = arena_strdup(entry->arena, approval->reason);
    snprintf(added->keyid, sizeof added->keyid, "%s", keyid);
    touch(rollouts, entry);
}

ErrCode rollouts_check_approval(const Rollouts *rollouts, const RolloutEntry *entry,
                                const char *keyid, const Approval *approval, Error *err)
{
    const char *name = entry->header.name;
    uint64_t unix_ms = rollouts->coordinator->unix_ms;
    if (entry->started)
        return err_set(err, ERR_STATE, "rollout %s is %s; approvals come before the start", name,
                       rollout_state_name(rollout_entry_state(entry)));
    if (approval->verdict == VERDICT_APPROVED && strcmp(entry->header.author, keyid) == 0) {
        err_set(err, ERR_APPROVAL, "the author can't approve rollout %s", name);
        err_hint(err, "Have another operator with role approver run `pgtide rollout approve`.");
        return ERR_APPROVAL;
    }
    if (rollout_entry_rejected(entry) > 0)
        return err_set(err, ERR_APPROVAL, "rollout %s was rejected; one rejection vetoes", name);
    const PlanApproval *before = find_approval(entry, keyid);
    if (before != NULL && approval->verdict == VERDICT_APPROVED &&
        before->approval.expires_unix_ms > unix_ms)
        return err_set(err, ERR_APPROVAL, "this operator has approved rollout %s already", name);
    if (entry->header.expires_unix_ms <= unix_ms)
        return err_set(err, ERR_STALE, "the plan of rollout %s has expired", name);
    if (approval->expires_unix_ms != 0 && approval->expires_unix_ms <= unix_ms)
        return err_set(err, ERR_STALE, "the approval has expired");
    if (approval->created_unix_ms > unix_ms + LIMIT_CLOCK_SKEW_MS)
        return err_set(err, ERR_STALE, "the approval is of a time that has not come");
    return ERR_OK;
}

/* --- the drive -------------------------------------------------------------------------------- */

/* What the entry remembers of a record besides the core, in the fold and as it is decided. */
static void note_record(Rollouts *rollouts, RolloutEntry *entry, const RolloutRecord *record)
{
    if (record->kind == ROLLOUT_RECORD_STARTED) {
        uint64_t place = 0;
        uuid_map_get(rollouts->by_id, &entry->header.rollout_id, &place);
        entry->started = true;
        entry->started_unix_ms = record->at_unix_ms;
        for (uint32_t i = 0; i < entry->header.shard_count; i++)
            uuid_map_put(rollouts->holders, &entry->shards[i].uuid, place << 32 | i);
    }
    if (record->kind == ROLLOUT_RECORD_STATE && rollout_state_is_terminal(record->state))
        entry->finished_unix_ms = record->at_unix_ms;
    rollout_log_note(&entry->log, entry->arena, entry->core, &entry->header, entry->shards, record);
    quarantine_apply(rollouts->coordinator->quarantine, &entry->header, entry->shards, record);
}

static void push_pending(Rollouts *rollouts, uint64_t seq, RolloutEntry *entry, uint64_t number)
{
    size_t end = rollouts->pending_head + rollouts->pending_count;
    if (end == rollouts->pending_capacity && rollouts->pending_head > 0) {
        memmove(rollouts->pending, rollouts->pending + rollouts->pending_head,
                rollouts->pending_count * sizeof *rollouts->pending);
        rollouts->pending_head = 0;
        end = rollouts->pending_count;
    }
    if (end == rollouts->pending_capacity) {
        rollouts->pending_capacity =
            rollouts->pending_capacity == 0 ? 64 : rollouts->pending_capacity * 2;
        rollouts->pending =
            xrealloc(rollouts->pending, rollouts->pending_capacity * sizeof *rollouts->pending);
    }
    rollouts->pending[end] = (Pending){seq, entry, number};
    rollouts->pending_count++;
}

/* Whoever reads the journal later need not take our word for what the agent has said. */
static void keep_report(Rollouts *rollouts, const RolloutRecord *record, Arena *arena)
{
    HeardReport *heard = rollouts->heard;
    bool by_report = record->kind == ROLLOUT_RECORD_SHARD_ENDED ||
                     record->kind == ROLLOUT_RECORD_SHARD_UNKNOWN ||
                     record->kind == ROLLOUT_RECORD_SHARD_KNOWN;
    if (!by_report || heard == NULL || heard->kept)
        return;
    heard->kept = true;
    coordinator_append(rollouts->coordinator, JOURNAL_REPORT_KEPT,
                       journal_envelope_encode(arena, JOURNAL_REPORT_KEPT, heard->envelope));
}

static void persist(Rollouts *rollouts, RolloutEntry *entry, const RolloutRecord *record,
                    Arena *arena)
{
    keep_report(rollouts, record, arena);
    ByteSpan payload = rollout_record_encode(arena, &entry->header.rollout_id, record);
    uint64_t seq = coordinator_append(rollouts->coordinator, JOURNAL_ROLLOUT_RECORD, payload);
    note_record(rollouts, entry, record);
    push_pending(rollouts, seq, entry, record->number);
}

static void send_to(Rollouts *rollouts, const RolloutEntry *entry, uint32_t agent, Command *command)
{
    const CommandSink *sink = &rollouts->coordinator->sink;
    if (sink->send != NULL)
        sink->send(sink->context, rollout_agent_name(entry->core, agent), command);
}

/* What a rollout has left behind is looked at once more when it is over. */
static void refresh_agents(Rollouts *rollouts, const RolloutEntry *entry)
{
    for (uint32_t i = 0; i < rollout_agent_count(entry->core); i++)
        send_to(rollouts, entry, i, &(Command){.kind = COMMAND_REFRESH});
}

static void execute(Rollouts *rollouts, RolloutEntry *entry, const RolloutEffects *effects)
{
    for (size_t i = 0; i < effects->count; i++) {
        const RolloutEffect *effect = &effects->items[i];
        switch (effect->kind) {
        case ROLLOUT_EFFECT_PERSIST:
            persist(rollouts, entry, effect->record, effects->arena);
            break;
        case ROLLOUT_EFFECT_SEND_RUN:
            rollout_send_orders(rollouts->coordinator, entry,
                                rollout_agent_name(entry->core, effect->run.agent),
                                effect->run.shards, effect->run.shard_count, effects->arena);
            break;
        case ROLLOUT_EFFECT_SEND_STOP:
            send_to(rollouts, entry, effect->stop.agent,
                    &(Command){.kind = COMMAND_STOP,
                               .stop = {entry->header.rollout_id, effect->stop.reason}});
            break;
        case ROLLOUT_EFFECT_GATE:
            gates_look(rollouts->coordinator->gates, entry, &effect->gate);
            break;
        case ROLLOUT_EFFECT_TIMER:
            entry->timer_ms = effect->at_ms;
            break;
        case ROLLOUT_EFFECT_CHANGED:
            touch(rollouts, entry);
            break;
        case ROLLOUT_EFFECT_UNSPECIFIED:
        case ROLLOUT_EFFECT_COUNT:
            break;
        }
    }
}

static ErrCode step(Rollouts *rollouts, RolloutEntry *entry, RolloutEvent event,
                    const RolloutsTaken *taken, Error *err)
{
    const Coordinator *coordinator = rollouts->coordinator;
    arena_reset(rollouts->step_arena);
    RolloutEffects effects = {.arena = rollouts->step_arena};
    event.now_ms = coordinator->now_ms;
    event.unix_ms = coordinator->unix_ms;
    bool was_over = rollout_state_is_terminal(rollout_state(entry->core));
    ErrCode code = rollout_step(entry->core, &event, &effects, err);
    if (code != ERR_OK)
        return code;
    if (taken != NULL)
        taken->taken(taken->context);
    execute(rollouts, entry, &effects);
    if (!was_over && rollout_state_is_terminal(rollout_state(entry->core)))
        refresh_agents(rollouts, entry);
    return ERR_OK;
}

/* Events that are not commands always succeed. */
static void step_event(Rollouts *rollouts, RolloutEntry *entry, RolloutEvent event)
{
    Error err;
    if (step(rollouts, entry, event, NULL, &err) != ERR_OK)
        abort(); /* the core broke its own contract: stop before anything is sent */
}

void rollouts_persisted(Rollouts *rollouts, uint64_t seq)
{
    while (rollouts->pending_count > 0) {
        Pending done = rollouts->pending[rollouts->pending_head];
        if (done.seq > seq)
            return;
        rollouts->pending_head++;
        rollouts->pending_count--;
        step_event(rollouts, done.entry,
                   (RolloutEvent){.kind = ROLLOUT_EVENT_PERSISTED, .persisted = done.number});
    }
}

/* The wall clock may be set: it is looked at more often than windows change. */
static RolloutWindow look_at_windows(const Coordinator *coordinator, RolloutEntry *entry)
{
    enum { LOOK_AGAIN_MS = 30000 };
    uint64_t unix_ms = coordinator->unix_ms;
    Error err;
    const PlanHeader *header = &entry->header;
    if (window_look(header->windows, header->window_count, unix_ms, &entry->window, &err) !=
        ERR_OK) {
        log_failure(LOG_ERROR, "rollout.windows", &err, "rollout", header->name, NULL);
        entry->window = (WindowLook){.state = WINDOW_CLOSED}; /* a zone that is gone holds it */
    }
    uint64_t wait_ms = LOOK_AGAIN_MS;
    if (entry->window.changes_unix_ms > unix_ms &&
        entry->window.changes_unix_ms - unix_ms < wait_ms)
        wait_ms = entry->window.changes_unix_ms - unix_ms;
    entry->window_timer_ms = header->window_count == 0 ? 0 : coordinator->now_ms + wait_ms;
    return (RolloutWindow)entry->window.state;
}

void rollouts_tick(Rollouts *rollouts)
{
    uint64_t now_ms = rollouts->coordinator->now_ms;
    for (size_t i = 0; i < rollouts->count; i++) {
        RolloutEntry *entry = rollouts->entries[i];
        if (entry->window_timer_ms != 0 && entry->window_timer_ms <= now_ms) {
            RolloutEvent event = {.kind = ROLLOUT_EVENT_WINDOW};
            event.window = look_at_windows(rollouts->coordinator, entry);
            if (!rollout_entry_is_open(entry))
                entry->window_timer_ms = 0;
            else if (event.window != rollout_window(entry->core))
                step_event(rollouts, entry, event);
        }
        if (entry->timer_ms == 0 || entry->timer_ms > now_ms)
            continue;
        entry->timer_ms = 0;
        step_event(rollouts, entry, (RolloutEvent){.kind = ROLLOUT_EVENT_TICK});
    }
}

uint64_t rollouts_next_timer(const Rollouts *rollouts)
{
    uint64_t next = 0;
    for (size_t i = 0; i < rollouts->count; i++) {
        uint64_t at = rollouts->entries[i]->timer_ms;
        if (at != 0 && (next == 0 || at < next))
            next = at;
        at = rollouts->entries[i]->window_timer_ms;
        if (at != 0 && (next == 0 || at < next))
            next = at;
    }
    return next;
}

static void agent_event(Rollouts *rollouts, RolloutEntry *entry, const char *name,
                        RolloutEventKind kind)
{
    uint32_t agent = rollout_agent_find(entry->core, name);
    if (agent != ROLLOUT_AGENT_NONE)
        step_event(rollouts, entry, (RolloutEvent){.kind = kind, .agent = agent});
}

static void agent_event_everywhere(Rollouts *rollouts, const char *name, RolloutEventKind kind)
{
    for (size_t i = 0; i < rollouts->count; i++) {
        if (rollout_entry_is_open(rollouts->entries[i]))
            agent_event(rollouts, rollouts->entries[i], name, kind);
    }
}

void rollouts_agent_up(Rollouts *rollouts, const char *agent)
{
    gates_agent(rollouts->coordinator->gates, agent, true);
    agent_event_everywhere(rollouts, agent, ROLLOUT_EVENT_AGENT_UP);
}

void rollouts_agent_down(Rollouts *rollouts, const char *agent)
{
    gates_agent(rollouts->coordinator->gates, agent, false);
    agent_event_everywhere(rollouts, agent, ROLLOUT_EVENT_AGENT_DOWN);
}

uint64_t rollouts_agent_shards(const Rollouts *rollouts, const char *agent)
{
    uint64_t count = 0;
    for (size_t i = 0; i < rollouts->count; i++) {
        const RolloutEntry *entry = rollouts->entries[i];
        if (!rollout_entry_is_open(entry) ||
            rollout_agent_find(entry->core, agent) == ROLLOUT_AGENT_NONE)
            continue;
        for (uint32_t shard = 0; shard < entry->header.shard_count; shard++)
            count += strcmp(entry->shards[shard].agent, agent) == 0 ? 1 : 0;
    }
    return count;
}

/* An agent tells of rows at a job's end, when it has read them last. It tells a new coordinator of
 * all the jobs it remembers: what is no news says nothing about the shard now. */
static bool tells_rows(const RolloutShardView *view, const JobReport *report)
{
    return view->in_flight && view->generation == report->generation &&
           report->phase == PHASE_DONE &&
           (report->outcome == OUTCOME_SUCCEEDED || report->rows.count > 0);
}

void rollouts_job(Rollouts *rollouts, const char *agent, const JobReport *report,
                  HeardReport *heard)
{
    RolloutEntry *entry = rollouts_find_id(rollouts, &report->rollout_id);
    if (entry == NULL || !entry->started || report->index >= entry->header.shard_count)
        return;
    const PlanShard *shard = &entry->shards[report->index];
    if (!uuid_equal(&shard->uuid, &report->shard) || strcmp(shard->agent, agent) != 0)
        return;
    RolloutShardView view;
    rollout_shard(entry->core, report->index, &view);
    if (view.in_flight && view.generation == report->generation && view.attempt == report->attempt)
        activities_take(&entry->activities, report);
    longest_take(&entry->longest, report);
    if (tells_rows(&view, report)) {
        inventory_set_rows(rollouts->coordinator->inventory, &shard->uuid, agent, &report->rows,
                           rollouts->coordinator->now_ms);
        coordinator_changed(rollouts->coordinator);
    }
    uint32_t number = rollout_agent_find(entry->core, agent);
    rollouts->heard = heard;
    step_event(rollouts, entry, (RolloutEvent){.kind = ROLLOUT_EVENT_JOB, .job = {number, report}});
    rollouts->heard = NULL;
}

/* --- commands, replay, recovery --------------------------------------------------------------- */

static void recover_one(Rollouts *rollouts, RolloutEntry *entry)
{
    const Coordinator *coordinator = rollouts->coordinator;
    arena_reset(rollouts->step_arena);
    RolloutEffects effects = {.arena = rollouts->step_arena};
    rollout_set_brake(entry->core, coordinator->braked);
    rollout_set_window(entry->core, look_at_windows(coordinator, entry));
    rollout_recover(entry->core, coordinator->now_ms, coordinator->unix_ms, &effects);
    execute(rollouts, entry, &effects);
}

static void tell_who_is_there(Rollouts *rollouts, RolloutEntry *entry)
{
    const Roster *roster = rollouts->coordinator->roster;
    for (size_t i = 0; i < roster_count(roster); i++) {
        const RosterAgent *agent = roster_at(roster, i);
        if (agent->connected)
            agent_event(rollouts, entry, agent->key.name, ROLLOUT_EVENT_AGENT_UP);
    }
}

static ErrCode start(Rollouts *rollouts, RolloutEntry *entry, const RolloutEvent *event,
                     const RolloutsTaken *taken, Error *err)
{
    if (entry->started)
        return err_set(err, ERR_STATE, "rollout %s was started already", entry->header.name);
    ErrCode code = rollout_start_check(rollouts->coordinator, entry, err);
    if (code == ERR_OK)
        code = rollout_start_prepare(rollouts->coordinator, entry, err);
    if (code != ERR_OK)
        return code;
    recover_one(rollouts, entry);
    tell_who_is_there(rollouts, entry);
    return step(rollouts, entry, *event, taken, err);
}

ErrCode rollout_entry_shard(const RolloutEntry *entry, const char *name, uint32_t *ret_index,
                            Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Uuid uuid;
    bool is_uuid = uuid_parse(name, &uuid);
    for (uint32_t i = 0; i < entry->header.shard_count; i++) {
        const PlanShard *shard = &entry->shards[i];
        bool found = is_uuid
                         ? uuid_equal(&uuid, &shard->uuid)
                         : strcmp(name, shard_display_name(arena, shard->cluster, shard->database,
                                                           shard->schema)) == 0;
        if (found) {
            *ret_index = i;
            return ERR_OK;
        }
        arena_reset(arena);
    }
    err_set(err, ERR_NOT_FOUND, "rollout %s has no shard %s", entry->header.name, name);
    err_hint(err, "`pgtide rollout status %s --shards` lists them.", entry->header.name);
    return ERR_NOT_FOUND;
}

void rollouts_gate(Rollouts *rollouts, RolloutEntry *entry, const RolloutGateEvent *event)
{
    step_event(rollouts, entry, (RolloutEvent){.kind = ROLLOUT_EVENT_GATE, .gate = *event});
}

void rollouts_brake(Rollouts *rollouts, bool braked)
{
    for (size_t i = 0; i < rollouts->count; i++) {
        RolloutEntry *entry = rollouts->entries[i];
        if (rollout_entry_is_open(entry))
            step_event(rollouts, entry,
                       (RolloutEvent){.kind = ROLLOUT_EVENT_BRAKE, .brake = braked});
    }
}

ErrCode rollouts_control(Rollouts *rollouts, RolloutEntry *entry, RolloutEventKind kind,
                         const RolloutCommand *command, const RolloutsTaken *taken, Error *err)
{
    RolloutEvent event = {.kind = kind, .command = *command};
    if (kind == ROLLOUT_EVENT_START)
        return start(rollouts, entry, &event, taken, err);
    if (!entry->started)
        return err_set(err, ERR_STATE, "rollout %s has not been started", entry->header.name);
    return step(rollouts, entry, event, taken, err);
}

ErrCode rollouts_replay(Rollouts *rollouts, const Uuid *rollout_id, const RolloutRecord *record,
                        Error *err)
{
    RolloutEntry *entry = rollouts_find_id(rollouts, rollout_id);
    if (entry == NULL)
        return err_set(err, ERR_JOURNAL, "a record of a rollout that was never submitted");
    ErrCode code = rollout_replay(entry->core, record, err);
    if (code == ERR_OK)
        note_record(rollouts, entry, record);
    return code;
}

ErrCode rollouts_recover(Rollouts *rollouts, Error *err)
{
    for (size_t i = 0; i < rollouts->count; i++) {
        RolloutEntry *entry = rollouts->entries[i];
        if (!entry->started)
            continue;
        ErrCode code = rollout_start_prepare(rollouts->coordinator, entry, err);
        if (code != ERR_OK)
            return err_wrap(err, "rollout %s", entry->header.name);
        recover_one(rollouts, entry);
    }
    return ERR_OK;
}
