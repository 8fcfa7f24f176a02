/* A shard's own rows, for an operator who asks why it is where it is: its agent reads them. */
#include "named_limits.h"
#include "relay.h"
#include "requests_asked.h"

#include <string.h>

enum { RECORD_WAIT_MS = 12000 }; /* less than who asks waits for */

static const FleetShard *find_listed(const Coordinator *coordinator,
                                     const Pgtide__V1__ReadRecord *in)
{
    FleetInventory *inventory = coordinator->inventory;
    for (size_t i = 0; i < inventory_shard_count(inventory); i++) {
        const FleetShard *shard = inventory_shard_at(inventory, i);
        if (strcmp(shard->cluster, in->cluster) == 0 &&
            strcmp(shard->database, in->database) == 0 && strcmp(shard->schema, in->schema) == 0)
            return shard;
    }
    return NULL;
}

/* Nothing is changed by it, so nothing of it is journalled. */
ErrCode handle_read_record(Asked *asked, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    const FleetShard *shard = find_listed(coordinator, asked->request->read_record);
    if (shard == NULL)
        return err_set(err, ERR_NOT_FOUND, "no agent lists that shard");
    StrList agents = {0};
    strlist_add(asked->arena, &agents, shard->agent);
    ErrCode code = relay_check(coordinator->relay, asked->envelope, &agents, err);
    if (code != ERR_OK)
        return code;
    OperatorTask task = {.request = asked->envelope};
    relay_begin(coordinator->relay, &asked->id, &task, &agents, RECORD_WAIT_MS,
                journal_persisted(coordinator->journal));
    asked->relayed = true;
    return ERR_OK;
}
