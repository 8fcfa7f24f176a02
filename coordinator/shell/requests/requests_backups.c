/*
 * What operators ask of backups that exist: agents read them again, or let go what their own rules
 * let go. What came of it is in the agents' next listings.
 */
#include "requests_asked.h"

#include "named_limits.h"
#include "select.h"

#include <string.h>

/* What one agent is asked. */
typedef struct AgentWork {
    const char *agent;
    BackupRef *refs;
    size_t count;
    size_t capacity;
} AgentWork;

typedef struct Asking {
    Asked *asked;
    BackupVerb verb;
    AgentWork *agents;
    size_t agent_count;
    size_t total;
} Asking;

static AgentWork *work_of(Asking *asking, const char *agent)
{
    Arena *arena = asking->asked->arena;
    for (size_t i = 0; i < asking->agent_count; i++)
        if (strcmp(asking->agents[i].agent, agent) == 0)
            return &asking->agents[i];
    asking->agents = arena_grow(arena, asking->agents, asking->agent_count, asking->agent_count + 1,
                                sizeof(AgentWork));
    AgentWork *work = &asking->agents[asking->agent_count++];
    work->agent = agent;
    return work;
}

static void add(Asking *asking, const FleetBackup *backup)
{
    AgentWork *work = work_of(asking, backup->agent);
    bool whole_shard = asking->verb != BACKUP_VERB_VERIFY;
    BackupRef ref = {.shard = backup->entry.shard};
    if (!whole_shard)
        ref.operation = backup->entry.operation;
    /* Backups of one shard follow each other. */
    if (whole_shard && work->count > 0 &&
        uuid_equal(&work->refs[work->count - 1].shard, &ref.shard))
        return;
    if (work->count == work->capacity) {
        size_t capacity = work->capacity == 0 ? 16 : work->capacity * 2;
        work->refs =
            arena_grow(asking->asked->arena, work->refs, work->count, capacity, sizeof(BackupRef));
        work->capacity = capacity;
    }
    work->refs[work->count++] = ref;
    asking->total++;
}

/* By selection, and by a shard's name or uuid, or a backup's id. */
static ErrCode choose(Asking *asking, Error *err)
{
    const Pgtide__V1__BackupRequest *in = asking->asked->request->backups;
    Backups *backups = asking->asked->coordinator->backups;
    const Selection *selection;
    ErrCode code = proto_count(in->n_names, LIMIT_SHARDS_PER_REQUEST, "names", err);
    if (code == ERR_OK)
        code = select_parse(in->select, asking->asked->arena, &selection, err);
    if (code != ERR_OK)
        return code;
    bool *found = ARENA_ARRAY(asking->asked->arena, bool, in->n_names + 1);
    for (size_t i = 0; i < backups_count(backups); i++) {
        const FleetBackup *backup = backups_at(backups, i);
        bool wanted = in->n_names == 0;
        for (size_t j = 0; j < in->n_names; j++)
            if (view_backup_is(backup, in->names[j]))
                wanted = found[j] = true;
        if (wanted && view_backup_matches(asking->asked->coordinator, backup, selection))
            add(asking, backup);
    }
    for (size_t j = 0; j < in->n_names; j++)
        if (!found[j]) {
            err_set(err, ERR_NOT_FOUND, "there is no backup of '%.200s'", in->names[j]);
            err_hint(err, "`pgtide backup list` shows shards and ids.");
            return ERR_NOT_FOUND;
        }
    if (asking->total == 0)
        return err_set(err, ERR_EMPTY_SELECTION, "no backup is selected");
    if (asking->total > LIMIT_BACKUPS_PER_REQUEST)
        return err_set(err, ERR_LIMIT, "%zu backups at once, at most %d", asking->total,
                       LIMIT_BACKUPS_PER_REQUEST);
    return ERR_OK;
}

static ErrCode check_agents(const Asking *asking, Error *err)
{
    const Coordinator *coordinator = asking->asked->coordinator;
    for (size_t i = 0; i < asking->agent_count; i++) {
        const RosterAgent *agent = roster_find(coordinator->roster, asking->agents[i].agent);
        if (agent == NULL || !agent->connected)
            return err_set(err, ERR_BUSY, "agent %s is not connected", asking->agents[i].agent);
    }
    return ERR_OK;
}

static void send_work(const Asking *asking)
{
    const CommandSink *sink = &asking->asked->coordinator->sink;
    for (size_t i = 0; sink->send != NULL && i < asking->agent_count; i++) {
        const AgentWork *work = &asking->agents[i];
        for (size_t first = 0; first < work->count; first += LIMIT_SHARDS_PER_REQUEST) {
            size_t left = work->count - first;
            Command command = {.kind = COMMAND_BACKUPS};
            command.backups = (BackupWork){
                .verb = asking->verb,
                .items = work->refs + first,
                .count = left < LIMIT_SHARDS_PER_REQUEST ? left : LIMIT_SHARDS_PER_REQUEST,
            };
            sink->send(sink->context, work->agent, &command);
        }
    }
}

static void answer(Asking *asking)
{
    const Backups *backups = asking->asked->coordinator->backups;
    JsonWriter json = json_writer(&asking->asked->json);
    json_object_begin(&json);
    json_field_uint(&json, "asked", asking->total);
    json_field_array(&json, "agents");
    for (size_t i = 0; i < asking->agent_count; i++) {
        json_object_begin(&json);
        json_field_string(&json, "agent", asking->agents[i].agent);
        json_field_uint(&json, "listings", backups_listings(backups, asking->agents[i].agent));
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
}

/* Reading costs time, letting go costs backups: that takes an admin. */
static ErrCode check_role(const Asked *asked, BackupVerb verb, Error *err)
{
    if (verb != BACKUP_VERB_PRUNE || operator_role_covers(asked->signer->role, OPERATOR_ROLE_ADMIN))
        return ERR_OK;
    err_set(err, ERR_REFUSED, "%s may not do this", asked->signer->key.name);
    err_detail(err, "to prune backups needs role admin, the trust file gives %s",
               operator_role_name(asked->signer->role));
    return ERR_REFUSED;
}

ErrCode handle_backups(Asked *asked, Error *err)
{
    const Pgtide__V1__BackupRequest *in = asked->request->backups;
    Asking asking = {.asked = asked};
    ErrCode code = proto_enum((int)in->verb, BACKUP_VERB_COUNT, "what to do with backups", err);
    if (code != ERR_OK)
        return code;
    asking.verb = (BackupVerb)in->verb;
    code = check_role(asked, asking.verb, err);
    if (code == ERR_OK)
        code = choose(&asking, err);
    if (code == ERR_OK)
        code = check_agents(&asking, err);
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    answer(&asking);
    send_work(&asking);
    return ERR_OK;
}
