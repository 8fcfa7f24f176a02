#include "adoptions.h"

#include "adoption.h"
#include "cluster_connect.h"
#include "json.h"
#include "log.h"

#include <stdlib.h>
#include <string.h>

enum {
    ADOPTION_DEADLINE_MS = 30000,
    CONNECT_TIMEOUT_MS = 10000,
};

typedef struct Work {
    struct Adoptions *owner;
    Task *task;
    Adoption adoption;
    ShardAdoption claim;
    ShardSession *session; /* NULL: done, waiting for a listing */
    unsigned listings;     /* until one is surely newer */
    struct Work *next;
} Work;

struct Adoptions {
    AdoptionsSettings settings;
    Work *works;
};

Adoptions *adoptions_new(const AdoptionsSettings *settings)
{
    Adoptions *adoptions = xcalloc(1, sizeof *adoptions);
    adoptions->settings = *settings;
    return adoptions;
}

static void work_free(Work *work)
{
    Adoptions *owner = work->owner;
    Work **at = &owner->works;
    while (*at != work)
        at = &(*at)->next;
    *at = work->next;
    shard_close(work->session);
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

static void work_failed(Work *work, const Error *err)
{
    task_failed(work->task, err);
    work_free(work);
}

static void work_done(Work *work)
{
    const Adoption *adoption = &work->adoption;
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    json_object_begin(&json);
    json_field_string(&json, "shard",
                      shard_display_name(work->task->arena, adoption->cluster, adoption->database,
                                         adoption->schema));
    json_field_uuid(&json, "uuid", &adoption->uuid);
    json_field_string(&json, "agent", adoption->agent);
    json_object_end(&json);
    task_done(work->task, str_text(&text));
    work_free(work);
}

void adoptions_listed(Adoptions *adoptions)
{
    for (Work *work = adoptions->works, *next; work != NULL; work = next) {
        next = work->next;
        if (work->session == NULL && --work->listings == 0)
            work_done(work);
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
    if (!uuid_equal(&result->shard_uuid, &adoption->uuid)) {
        Error wrong;
        err_set(&wrong, ERR_DIVERGED, "the shard's row has another uuid than the adoption");
        work_failed(work, &wrong);
        return;
    }
    uuid_format(&adoption->uuid, uuid);
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
        .epoch = ledger_epoch(work->owner->settings.ledger),
        .who = arena_printf(work->task->arena, "%s by %s", work->adoption.who,
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
        .message =
            arena_printf(work->task->arena, "adopted by %s: %s", adoption->who, adoption->reason),
    };
    memcpy(work->claim.operation.bytes, adoption->id.bytes, sizeof work->claim.operation.bytes);
    ShardTarget target = cluster_target(cluster);
    target.database = adoption->database;
    target.schema = adoption->schema;
    target.system_identifier = adoption->system_identifier;
    target.database_oid = adoption->database_oid;
    target.fleet_id = work->owner->settings.fleet_id;
    target.shard_uuid = adoption->uuid;
    target.connect_timeout_ms = CONNECT_TIMEOUT_MS;
    target.application_name = "pgtide-agent adoption";
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

void adoptions_handle(void *context, Task *task)
{
    Adoptions *adoptions = context;
    Adoption adoption;
    const ClusterSettings *cluster;
    Error err;
    ErrCode code = adoption_decode(task->request->adopt, &adoption, &err);
    if (code == ERR_OK)
        code = check_own(adoptions, &adoption, &cluster, &err);
    if (code != ERR_OK) {
        task_failed(task, &err);
        return;
    }
    adoption.id = task->id;
    adoption.who = task->who;
    Work *work = xcalloc(1, sizeof *work);
    work->owner = adoptions;
    work->task = task;
    work->adoption = adoption;
    work->next = adoptions->works;
    adoptions->works = work;
    start(work, cluster);
}
