#include "backups.h"

#include "named_limits.h"
#include "uuid_map.h"

#include <stdlib.h>
#include <string.h>

typedef struct AgentBackups {
    char agent[LIMIT_NAME_BYTES + 1];
    uint64_t listings;
    Arena *arena; /* of the listing in force */
    BackupEntry *items;
    size_t count;
    Arena *coming; /* NULL: none */
    BackupEntry *coming_items;
    size_t coming_count;
    size_t coming_capacity;
    uint64_t coming_snapshot;
    uint32_t coming_part;
} AgentBackups;

struct Backups {
    AgentBackups *agents;
    size_t agent_count;
    FleetBackup *all; /* sorted; NULL: made anew when it is asked for */
    size_t all_count;
    UuidMap *newest; /* a shard's, into `all` */
};

enum { LIMIT_BACKUPS_PER_AGENT = 1000000 };

Backups *backups_new(void)
{
    Backups *backups = xcalloc(1, sizeof *backups);
    backups->newest = uuid_map_new();
    return backups;
}

static void drop_coming(AgentBackups *agent)
{
    arena_free(agent->coming);
    agent->coming = NULL;
    agent->coming_items = NULL;
    agent->coming_count = agent->coming_capacity = 0;
}

static void forget_all(Backups *backups)
{
    free(backups->all);
    backups->all = NULL;
}

void backups_free(Backups *backups)
{
    if (backups == NULL)
        return;
    for (size_t i = 0; i < backups->agent_count; i++) {
        drop_coming(&backups->agents[i]);
        arena_free(backups->agents[i].arena);
    }
    forget_all(backups);
    uuid_map_free(backups->newest);
    free(backups->agents);
    free(backups);
}

static AgentBackups *find_agent(const Backups *backups, const char *name)
{
    for (size_t i = 0; i < backups->agent_count; i++)
        if (strcmp(backups->agents[i].agent, name) == 0)
            return &backups->agents[i];
    return NULL;
}

static AgentBackups *add_agent(Backups *backups, const char *name)
{
    AgentBackups *found = find_agent(backups, name);
    if (found != NULL)
        return found;
    forget_all(backups); /* it points to names in the array */
    backups->agents =
        xrealloc(backups->agents, (backups->agent_count + 1) * sizeof *backups->agents);
    AgentBackups *agent = &backups->agents[backups->agent_count++];
    *agent = (AgentBackups){0};
    memcpy(agent->agent, name, strnlen(name, LIMIT_NAME_BYTES));
    return agent;
}

static BackupEntry copy_entry(Arena *arena, const BackupEntry *from)
{
    BackupEntry entry = *from;
    entry.cluster = arena_strdup(arena, from->cluster);
    entry.database = arena_strdup(arena, from->database);
    entry.schema = arena_strdup(arena, from->schema);
    entry.info.path = arena_strdup(arena, from->info.path);
    entry.command = arena_strdup(arena, from->command);
    entry.id = arena_strdup(arena, from->id);
    entry.rows = strlist_copy(arena, &from->rows);
    entry.damage = arena_strdup(arena, from->damage);
    entry.kept = arena_strdup(arena, from->kept);
    return entry;
}

static ErrCode check_order(AgentBackups *agent, const BackupListing *part, Error *err)
{
    if (part->part == 0) {
        drop_coming(agent);
        agent->coming = arena_new();
        agent->coming_snapshot = part->snapshot;
        agent->coming_part = 0;
    }
    bool fine = agent->coming != NULL && part->snapshot == agent->coming_snapshot &&
                part->part == agent->coming_part &&
                agent->coming_count + part->count <= LIMIT_BACKUPS_PER_AGENT;
    if (fine)
        return ERR_OK;
    drop_coming(agent);
    return err_set(err, ERR_PROTOCOL, "a part of a listing of backups is out of order");
}

ErrCode backups_part(Backups *backups, const char *name, const BackupListing *part,
                     bool *ret_replaced, Error *err)
{
    AgentBackups *agent = add_agent(backups, name);
    ErrCode code = check_order(agent, part, err);
    if (code != ERR_OK)
        return code;
    size_t total = agent->coming_count + part->count;
    if (total > agent->coming_capacity) {
        size_t capacity = total * 2;
        agent->coming_items = arena_grow(agent->coming, agent->coming_items, agent->coming_count,
                                         capacity, sizeof(BackupEntry));
        agent->coming_capacity = capacity;
    }
    for (size_t i = 0; i < part->count; i++)
        agent->coming_items[agent->coming_count++] = copy_entry(agent->coming, &part->items[i]);
    agent->coming_part++;
    *ret_replaced = part->last;
    if (!part->last)
        return ERR_OK;
    arena_free(agent->arena);
    agent->arena = agent->coming;
    agent->items = agent->coming_items;
    agent->count = agent->coming_count;
    agent->listings++;
    agent->coming = NULL;
    drop_coming(agent);
    forget_all(backups);
    return ERR_OK;
}

void backups_drop(Backups *backups, const char *name)
{
    AgentBackups *agent = find_agent(backups, name);
    if (agent == NULL)
        return;
    drop_coming(agent);
    arena_free(agent->arena);
    agent->arena = NULL;
    agent->items = NULL;
    agent->count = 0;
    forget_all(backups);
}

uint64_t backups_listings(const Backups *backups, const char *name)
{
    const AgentBackups *agent = find_agent(backups, name);
    return agent == NULL ? 0 : agent->listings;
}

static int compare_backups(const void *a, const void *b)
{
    const FleetBackup *x = a, *y = b;
    int order = strcmp(x->entry.cluster, y->entry.cluster);
    if (order == 0)
        order = strcmp(x->entry.database, y->entry.database);
    if (order == 0)
        order = strcmp(x->entry.schema, y->entry.schema);
    if (order == 0)
        order = uuid_compare(&x->entry.shard, &y->entry.shard);
    if (order == 0 && x->entry.finished_unix_ms != y->entry.finished_unix_ms)
        order = x->entry.finished_unix_ms < y->entry.finished_unix_ms ? -1 : 1;
    return order;
}

static void make_all(Backups *backups)
{
    size_t total = 0;
    if (backups->all != NULL)
        return;
    for (size_t i = 0; i < backups->agent_count; i++)
        total += backups->agents[i].count;
    backups->all = xcalloc(total + 1, sizeof(FleetBackup));
    backups->all_count = 0;
    for (size_t i = 0; i < backups->agent_count; i++)
        for (size_t j = 0; j < backups->agents[i].count; j++)
            backups->all[backups->all_count++] =
                (FleetBackup){backups->agents[i].agent, backups->agents[i].items[j]};
    qsort(backups->all, backups->all_count, sizeof(FleetBackup), compare_backups);
    uuid_map_clear(backups->newest);
    for (size_t i = 0; i < backups->all_count; i++)
        if (backups->all[i].entry.damage[0] == '\0') /* a later one replaces it */
            uuid_map_put(backups->newest, &backups->all[i].entry.shard, i);
}

size_t backups_count(Backups *backups)
{
    make_all(backups);
    return backups->all_count;
}

const FleetBackup *backups_at(Backups *backups, size_t index)
{
    make_all(backups);
    return &backups->all[index];
}

const FleetBackup *backups_newest(Backups *backups, const Uuid *shard)
{
    uint64_t index;
    make_all(backups);
    return uuid_map_get(backups->newest, shard, &index) ? &backups->all[index] : NULL;
}
