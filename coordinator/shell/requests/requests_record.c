/* What of a shard only its agent can read, for an operator: its own rows, or what a rehearsal on a
 * copy of it needs. Nothing is changed by it, so nothing of it is journalled. */
#include "relay.h"
#include "requests_asked.h"

#include <string.h>

/* Less than who asks waits for. */
enum { RECORD_WAIT_MS = 12000, DRIFT_WAIT_MS = 60000, SOURCE_WAIT_MS = 4 * 60 * 1000 };

static const FleetShard *find_listed(const Coordinator *coordinator, const char *cluster,
                                     const char *database, const char *schema)
{
    FleetInventory *inventory = coordinator->inventory;
    for (size_t i = 0; i < inventory_shard_count(inventory); i++) {
        const FleetShard *shard = inventory_shard_at(inventory, i);
        if (strcmp(shard->cluster, cluster) == 0 && strcmp(shard->database, database) == 0 &&
            strcmp(shard->schema, schema) == 0)
            return shard;
    }
    return NULL;
}

static ErrCode ask_agent(Asked *asked, const FleetShard *shard, uint64_t wait_ms, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    if (shard == NULL)
        return err_set(err, ERR_NOT_FOUND, "no agent lists that shard");
    StrList agents = {0};
    strlist_add(asked->arena, &agents, shard->agent);
    ErrCode code = relay_check(coordinator->relay, asked->envelope, &agents, err);
    if (code != ERR_OK)
        return code;
    OperatorTask task = {.request = asked->envelope};
    relay_begin(coordinator->relay, &asked->id, &task, &agents, wait_ms,
                journal_persisted(coordinator->journal));
    asked->relayed = true;
    return ERR_OK;
}

ErrCode handle_read_record(Asked *asked, Error *err)
{
    const Pgtide__V1__ReadRecord *in = asked->request->read_record;
    return ask_agent(asked, find_listed(asked->coordinator, in->cluster, in->database, in->schema),
                     RECORD_WAIT_MS, err);
}

ErrCode handle_read_source(Asked *asked, Error *err)
{
    const Pgtide__V1__ReadSource *in = asked->request->read_source;
    return ask_agent(asked, find_listed(asked->coordinator, in->cluster, in->database, in->schema),
                     SOURCE_WAIT_MS, err);
}

ErrCode handle_read_drift(Asked *asked, Error *err)
{
    const Pgtide__V1__ReadDrift *in = asked->request->read_drift;
    return ask_agent(asked, find_listed(asked->coordinator, in->cluster, in->database, in->schema),
                     DRIFT_WAIT_MS, err);
}
