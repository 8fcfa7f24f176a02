#include "adoptions.h"

#include "adoption.h"
#include "clock.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

enum {
    ADOPTIONS_AT_ONCE = 64, /* a person's doing; the rest is refused, to be asked again */
    ADOPTION_DEADLINE_MS = 30000,
    CONNECT_TIMEOUT_MS = 10000,
};

typedef struct Work {
    struct Adoptions *owner;
    Arena *arena;
    Adoption adoption;
    ShardAdoption claim;
    uint64_t epoch;
    ShardSession *session; /* NULL: done, waiting for a listing */
    unsigned listings;     /* until one is surely newer */
    Uuid uuid;
    struct Work *next;
} Work;

struct Adoptions {
    AdoptionsSettings settings;
    Work *works;
    size_t count;
};

Adoptions *adoptions_new(const AdoptionsSettings *settings)
{
    Adoptions *adoptions = xcalloc(1, sizeof *adoptions);
    adoptions->settings = *settings;
    return adoptions;
}

void adoptions_set_trust(Adoptions *adoptions, const Trust *trust)
{
    adoptions->settings.trust = trust;
}

static void work_free(Work *work)
{
    Adoptions *owner = work->owner;
    Work **at = &owner->works;
    while (*at != work)
        at = &(*at)->next;
    *at = work->next;
    owner->count--;
    shard_close(work->session);
    arena_free(work->arena);
    free(work);
}

void adoptions_free(Adoptions *adoptions)
{
    if (adoptions == NULL)
        return;
    while (adoptions->works != NULL)
        work_free(adoptions->works);
    free(adoptions);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void report_error(const Adoptions *adoptions, const Uuid *id, const Error *err)
{
    AdoptDone done = {.request_id = *id,
                      .code = err_code_name(err->code),
                      .message = err->message,
                      .hint = err->hint};
    log_failure(LOG_WARN, "adoption.refused", err, NULL);
    adoptions->settings.report(adoptions->settings.context, &done);
}

static void work_failed(Work *work, const Error *err)
{
    report_error(work->owner, &work->adoption.id, err);
    work_free(work);
}

void adoptions_listed(Adoptions *adoptions)
{
    for (Work *work = adoptions->works, *next; work != NULL; work = next) {
        next = work->next;
        if (work->session != NULL || --work->listings > 0)
            continue;
        AdoptDone done = {.request_id = work->adoption.id,
                          .uuid = work->uuid,
                          .code = "",
                          .message = "",
                          .hint = ""};
        adoptions->settings.report(adoptions->settings.context, &done);
        work_free(work);
    }
}

/* --- the shard -------------------------------------------------------------------------------- */

static void on_claimed(ShardSession *session, const ClaimResult *result, const Error *err,
                       void *data)
{
    Work *work = data;
    const Adoption *adoption = &work->adoption;
    char uuid[UUID_TEXT_SIZE];
    if (err != NULL) {
        work_failed(work, err);
        return;
    }
    work->uuid = result->shard_uuid;
    uuid_format(&work->uuid, uuid);
    log_event(LOG_INFO, "adoption.done", "cluster", adoption->cluster, "database",
              adoption->database, "schema", adoption->schema, "shard", uuid, "operator",
              adoption->who, NULL);
    shard_close(session);
    work->session = NULL;
    /* A scan that is under way may have read the shard before. */
    Shards *shards = work->owner->settings.shards;
    work->listings = shards_is_scanning(shards) ? 2 : 1;
    shards_refresh(shards);
}

static void on_opened(ShardSession *session, const Error *err, void *data)
{
    Work *work = data;
    if (err != NULL) {
        work_failed(work, err);
        return;
    }
    ClaimArgs args = {
        .epoch = work->epoch,
        .who = arena_printf(work->arena, "%s by %s", work->adoption.who,
                            work->owner->settings.settings->name),
        .adopt = true,
        .adoption = &work->claim,
        .deadline_ms = ADOPTION_DEADLINE_MS,
    };
    shard_claim(session, &args, on_claimed, work);
}

static void start(Work *work, const ClusterSettings *cluster)
{
    const Adoption *adoption = &work->adoption;
    work->claim = (ShardAdoption){
        .row_uuid = adoption->row_uuid,
        .row_fleet = adoption->row_fleet,
        .schema_oid = adoption->schema_oid,
        .former_schema = adoption->former_schema,
        .message = arena_printf(work->arena, "adopted by %s: %s", adoption->who, adoption->reason),
    };
    memcpy(work->claim.operation.bytes, adoption->id.bytes, sizeof work->claim.operation.bytes);
    ShardTarget target = {
        .conninfo = cluster->conninfo,
        .conninfo_count = cluster->conninfo_count,
        .database = adoption->database,
        .schema = adoption->schema,
        .shared_schemas = cluster->shared_schemas,
        .system_identifier = adoption->system_identifier,
        .database_oid = adoption->database_oid,
        .fleet_id = *trust_fleet_id(work->owner->settings.trust),
        .shard_uuid = adoption->uuid,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .application_name = "pgtide-agent adoption",
    };
    work->session = shard_open(work->owner->settings.loop, &target, on_opened, work);
}

/* --- what is believed ------------------------------------------------------------------------- */

static ErrCode check_own(const Adoptions *adoptions, const Adoption *adoption,
                         const ClusterSettings **ret_cluster, Error *err)
{
    const AgentSettings *settings = adoptions->settings.settings;
    if (strcmp(adoption->agent, settings->name) != 0)
        return err_set(err, ERR_REFUSED, "the adoption is for agent %s", adoption->agent);
    const ClusterSettings *cluster = agent_settings_find_cluster(settings, adoption->cluster);
    if (cluster == NULL || shards_find(adoptions->settings.shards, adoption->cluster,
                                       adoption->database, adoption->schema) == NULL)
        return err_set(err, ERR_NOT_FOUND, "this agent does not look after that shard");
    if (cluster->pooled)
        return err_set(err, ERR_POOLED_CONNECTION, "cluster %s is reached through a pooler",
                       cluster->name);
    *ret_cluster = cluster;
    return ERR_OK;
}

static bool is_under_way(const Adoptions *adoptions, const Uuid *id)
{
    for (const Work *work = adoptions->works; work != NULL; work = work->next)
        if (uuid_equal(&work->adoption.id, id))
            return true;
    return false;
}

void adoptions_take(Adoptions *adoptions, const AdoptCommand *command, uint64_t epoch)
{
    const ByteSpan request = command->request;
    Arena *arena = arena_new();
    Adoption adoption;
    const ClusterSettings *cluster;
    Error err;
    if (adoption_open(arena, adoptions->settings.trust, request.bytes, request.length,
                      clock_unix_ms(), &adoption, &err) != ERR_OK) {
        report_error(adoptions, &command->request_id, &err);
        arena_free(arena);
        return;
    }
    if (is_under_way(adoptions, &adoption.id)) {
        arena_free(arena);
        return;
    }
    ErrCode code = check_own(adoptions, &adoption, &cluster, &err);
    if (code == ERR_OK && adoptions->count == ADOPTIONS_AT_ONCE)
        code = err_set(&err, ERR_BUSY, "more than %d adoptions at once", ADOPTIONS_AT_ONCE);
    if (code != ERR_OK) {
        report_error(adoptions, &adoption.id, &err);
        arena_free(arena);
        return;
    }
    Work *work = xcalloc(1, sizeof *work);
    work->owner = adoptions;
    work->arena = arena;
    work->adoption = adoption;
    work->epoch = epoch;
    work->next = adoptions->works;
    adoptions->works = work;
    adoptions->count++;
    /* The texts of a decoded request are those of the message in the arena. */
    start(work, cluster);
}
