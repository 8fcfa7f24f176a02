#include "trace.h"

#include "named_limits.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    MODES = 8,
    ROW_EXCLUSIVE = 2,
    SHARE_UPDATE_EXCLUSIVE = 3,
    ACCESS_EXCLUSIVE = 7,
    MEASURED_MS = 50, /* what took less tells nothing about a rate */
    MEASURED_BYTES = 1024 * 1024,
};

/* Columns of the snapshot, and of a look. */
enum { SNAP_OID, SNAP_NAME, SNAP_BARE, SNAP_KIND, SNAP_TABLE, SNAP_FILENODE, SNAP_BYTES };
enum { LOOK_OID, LOOK_MODE, LOOK_FILENODE };

/* Both run under whatever path and role the author has. */
const char trace_sql_snapshot[] =
    "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relname, c.relkind,"
    " i.indrelid, pg_catalog.pg_relation_filenode(c.oid),"
    " CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) END"
    " FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"
    " LEFT JOIN pg_catalog.pg_index i ON i.indexrelid OPERATOR(pg_catalog.=) c.oid"
    " WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'i', 'I')"
    " AND n.nspname OPERATOR(pg_catalog.!~) '^pg_'"
    " AND n.nspname NOT IN ('information_schema', 'pgtide') ORDER BY c.oid";
static const char look_sql[] =
    "SELECT l.relation, l.mode, pg_catalog.pg_relation_filenode(l.relation)"
    " FROM pg_catalog.pg_locks l WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' AND l.granted"
    " AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"
    " AND l.mode OPERATOR(pg_catalog.<>) 'AccessShareLock'";

static const struct {
    const char *server; /* as pg_locks has it */
    const char *name;
} modes[MODES] = {
    {"AccessShareLock", "ACCESS SHARE"},
    {"RowShareLock", "ROW SHARE"},
    {"RowExclusiveLock", "ROW EXCLUSIVE"},
    {"ShareUpdateExclusiveLock", "SHARE UPDATE EXCLUSIVE"},
    {"ShareLock", "SHARE"},
    {"ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE"},
    {"ExclusiveLock", "EXCLUSIVE"},
    {"AccessExclusiveLock", "ACCESS EXCLUSIVE"},
};

const char *trace_mode_name(int strength)
{
    return strength >= 0 && strength < MODES ? modes[strength].name : "";
}

const char *trace_class_name(TraceClass trace_class)
{
    static const char *const names[TRACE_CLASS_COUNT] = {"instant", "rows", "scan", "build",
                                                         "rewrite"};
    return (unsigned)trace_class < TRACE_CLASS_COUNT ? names[trace_class] : "";
}

uint64_t trace_default_rate(TraceClass trace_class)
{
    static const uint64_t megabytes[TRACE_CLASS_COUNT] = {0, 5, 150, 25, 15};
    return (unsigned)trace_class < TRACE_CLASS_COUNT ? megabytes[trace_class] * 1000 * 1000 : 0;
}

static int strength_of(const char *mode)
{
    for (int i = 0; i < MODES; i++) {
        if (strcmp(modes[i].server, mode) == 0)
            return i;
    }
    return 0;
}

/* --- relations -------------------------------------------------------------------------------- */

ErrCode trace_begin(Trace *trace, const PgResult *snapshot, Error *err)
{
    size_t count = pg_rows(snapshot);
    if (count > LIMIT_TRACE_RELATIONS)
        return err_set(err, ERR_LIMIT, "more than %d tables and indexes", LIMIT_TRACE_RELATIONS);
    trace->relations = ARENA_ARRAY(trace->arena, TraceRelation, count + 1);
    trace->relation_count = count;
    trace->transactions++;
    for (size_t row = 0; row < count; row++)
        trace->relations[row] = (TraceRelation){
            .oid = (uint32_t)pg_u64(snapshot, row, SNAP_OID),
            .name = arena_strdup(trace->arena, pg_text(snapshot, row, SNAP_NAME)),
            .bare = arena_strdup(trace->arena, pg_text(snapshot, row, SNAP_BARE)),
            .kind = pg_text(snapshot, row, SNAP_KIND)[0],
            .table_oid = (uint32_t)pg_u64(snapshot, row, SNAP_TABLE),
            .filenode = pg_u64(snapshot, row, SNAP_FILENODE),
            .bytes = pg_u64(snapshot, row, SNAP_BYTES),
        };
    return ERR_OK;
}

static int compare_oid(const void *key, const void *item)
{
    uint32_t oid = *(const uint32_t *)key;
    uint32_t other = ((const TraceRelation *)item)->oid;
    return oid < other ? -1 : oid > other;
}

static TraceRelation *find(Trace *trace, uint32_t oid)
{
    return trace->relation_count == 0 ? NULL
                                      : bsearch(&oid, trace->relations, trace->relation_count,
                                                sizeof *trace->relations, compare_oid);
}

static bool is_index(const TraceRelation *relation)
{
    return relation->kind == 'i' || relation->kind == 'I';
}

/* Messages have bare names: of several tables it is the one that is locked. */
static const TraceRelation *find_bare(const Trace *trace, const char *bare)
{
    const TraceRelation *found = NULL;
    for (size_t i = 0; i < trace->relation_count; i++) {
        const TraceRelation *relation = &trace->relations[i];
        if (is_index(relation) || strcmp(relation->bare, bare) != 0)
            continue;
        if (found == NULL || relation->held > found->held)
            found = relation;
    }
    return found;
}

static void add_once(Trace *trace, StrList *list, const char *text)
{
    if (!strlist_has(list, text))
        strlist_add(trace->arena, list, text);
}

const char *trace_sql_look(const Trace *trace, Arena *arena)
{
    uint32_t last =
        trace->relation_count == 0 ? 0 : trace->relations[trace->relation_count - 1].oid;
    return arena_printf(arena, "%s AND l.relation OPERATOR(pg_catalog.<=) '%u'::pg_catalog.oid",
                        look_sql, last);
}

/* --- a statement ------------------------------------------------------------------------------ */

static TracedStatement *in_hand(Trace *trace)
{
    return &trace->items[trace->count - 1];
}

static bool is_name_part(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/* As a word of its own. */
static bool names(const char *text, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = strcasestr(text, name); at != NULL; at = strcasestr(at + 1, name)) {
        if ((at == text || !is_name_part(at[-1])) && !is_name_part(at[length]))
            return true;
    }
    return false;
}

void trace_statement(Trace *trace, const char *revision, const Statement *statement)
{
    if (trace->count == trace->capacity) {
        size_t capacity = trace->capacity == 0 ? 16 : trace->capacity * 2;
        trace->items =
            arena_grow(trace->arena, trace->items, trace->count, capacity, sizeof *trace->items);
        trace->capacity = capacity;
    }
    TracedStatement *item = &trace->items[trace->count++];
    *item = (TracedStatement){.transaction = trace->transactions};
    item->cost.revision = arena_strdup(trace->arena, revision);
    item->cost.line = statement->line > 0 ? (uint32_t)statement->line : 0;
    item->cost.what = statement_in_few_words(trace->arena, statement->text);
    item->cost.statements = 1;
    static const char *const keywords[] = {"UPDATE", "DELETE", "MERGE", "WITH"};
    bool changes = false;
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        changes = changes || strcmp(statement->first_keyword, keywords[i]) == 0;
    for (size_t i = 0; changes && i < trace->relation_count; i++) {
        const TraceRelation *relation = &trace->relations[i];
        if (!is_index(relation) && names(statement->text, relation->bare))
            strlist_add(trace->arena, &item->changed, relation->name);
    }
    for (size_t i = 0; i < trace->relation_count; i++) {
        const TraceRelation *relation = &trace->relations[i];
        if (relation->held == ACCESS_EXCLUSIVE && !is_index(relation))
            strlist_add(trace->arena, &item->held, relation->name);
    }
    trace->in_statement = true;
    trace->validates_key = false;
}

static bool comes_before(const TraceLock *lock, const char *relation, int strength)
{
    return lock->strength != strength ? lock->strength > strength
                                      : strcmp(lock->relation, relation) < 0;
}

/* Of several locks on a table the strongest is told. */
static void add_lock(Trace *trace, const TraceRelation *relation, int strength)
{
    TracedStatement *item = in_hand(trace);
    size_t kept = 0;
    for (size_t i = 0; i < item->lock_count; i++) {
        bool is_weaker = strcmp(item->locks[i].relation, relation->name) == 0;
        if (!is_weaker)
            item->locks[kept++] = item->locks[i];
    }
    item->lock_count = kept;
    TraceLock *locks = ARENA_ARRAY(trace->arena, TraceLock, item->lock_count + 1);
    size_t at = 0;
    while (at < item->lock_count && comes_before(&item->locks[at], relation->name, strength))
        at++;
    for (size_t i = 0; i < item->lock_count; i++)
        locks[i + (i >= at)] = item->locks[i];
    locks[at] = (TraceLock){
        .relation = relation->name, .mode = trace_mode_name(strength), .strength = strength};
    item->locks = locks;
    item->lock_count++;
}

void trace_alone(Trace *trace, const char *table, int strength)
{
    const TraceRelation *relation = table == NULL ? NULL : find_bare(trace, table);
    in_hand(trace)->alone = true;
    if (relation != NULL)
        add_lock(trace, relation, strength);
}

/* --- messages --------------------------------------------------------------------------------- */

/* What stands in quotes behind `prefix`; NULL when the message does not begin with it. */
static const char *quoted_after(Arena *arena, const char *message, const char *prefix,
                                const char **ret_rest)
{
    size_t length = strlen(prefix);
    if (strncmp(message, prefix, length) != 0)
        return NULL;
    const char *end = strchr(message + length, '"');
    if (end == NULL)
        return NULL;
    *ret_rest = end + 1;
    return arena_strndup(arena, message + length, (size_t)(end - message) - length);
}

static bool empties_tables(const TracedStatement *item)
{
    return strncasecmp(item->cost.what, "TRUNCATE", 8) == 0;
}

static void note_build(Trace *trace, const char *index, const char *rest)
{
    TracedStatement *item = in_hand(trace);
    const char *table = quoted_after(trace->arena, rest, " on table \"", &rest);
    const TraceRelation *relation = table == NULL ? NULL : find_bare(trace, table);
    if (relation == NULL || empties_tables(item))
        return; /* of a table that is new, a TOAST table, or nothing is in it */
    add_once(trace, &item->built, index);
    add_once(trace, &item->built_on, relation->name);
}

void trace_notice(Trace *trace, const char *severity, const char *message)
{
    if (!trace->in_statement || strncmp(severity, "DEBUG", 5) != 0)
        return;
    TracedStatement *item = in_hand(trace);
    Arena *arena = trace->arena;
    const char *rest = "";
    const char *name = quoted_after(arena, message, "building index \"", &rest);
    if (name != NULL) {
        note_build(trace, name, rest);
        return;
    }
    StrList *list = &item->rewritten;
    name = quoted_after(arena, message, "rewriting table \"", &rest);
    if (name == NULL) {
        list = &item->scanned;
        name = quoted_after(arena, message, "verifying table \"", &rest);
    }
    const TraceRelation *relation = name == NULL ? NULL : find_bare(trace, name);
    if (relation != NULL)
        add_once(trace, list, relation->name);
    if (strncmp(message, "validating foreign key constraint", 33) == 0)
        trace->validates_key = true;
}

/* --- after it --------------------------------------------------------------------------------- */

static void note_filenode(Trace *trace, TraceRelation *relation, uint64_t filenode)
{
    TracedStatement *item = in_hand(trace);
    if (filenode == 0 || filenode == relation->filenode || relation->filenode == 0)
        return;
    relation->filenode = filenode;
    bool empties = empties_tables(item);
    if (is_index(relation) && !empties) {
        const TraceRelation *table = find(trace, relation->table_oid);
        add_once(trace, &item->built, relation->bare);
        if (table != NULL)
            add_once(trace, &item->built_on, table->name);
    } else if (!empties) {
        add_once(trace, &item->rewritten, relation->name);
    }
}

/* A new index is locked too, and a key's table is told from the others by its lock. */
static void take_row(Trace *trace, const PgResult *look, size_t row)
{
    uint32_t oid = (uint32_t)pg_u64(look, row, LOOK_OID);
    int strength = strength_of(pg_text(look, row, LOOK_MODE));
    TraceRelation *relation = find(trace, oid);
    if (relation == NULL)
        return;
    note_filenode(trace, relation, pg_u64(look, row, LOOK_FILENODE));
    bool is_table = !is_index(relation);
    if (is_table && trace->validates_key && strength >= SHARE_UPDATE_EXCLUSIVE)
        add_once(trace, &in_hand(trace)->scanned, relation->name);
    if (strength <= relation->held)
        return;
    relation->held = strength;
    if (is_table)
        add_lock(trace, relation, strength);
}

static TraceClass classify(const TracedStatement *item)
{
    if (item->rewritten.count > 0)
        return TRACE_REWRITE;
    if (item->built.count > 0)
        return TRACE_BUILD;
    if (item->scanned.count > 0)
        return TRACE_SCAN;
    return item->changed.count > 0 ? TRACE_ROWS : TRACE_INSTANT;
}

/* The tables that it works through. */
static const StrList *worked(const TracedStatement *item)
{
    static const StrList none;
    switch (item->trace_class) {
    case TRACE_REWRITE:
        return &item->rewritten;
    case TRACE_BUILD:
        return &item->built_on;
    case TRACE_SCAN:
        return &item->scanned;
    case TRACE_ROWS:
        return &item->changed;
    default:
        return &none;
    }
}

static uint64_t bytes_of(const Trace *trace, const char *name)
{
    for (size_t i = 0; i < trace->relation_count; i++) {
        if (strcmp(trace->relations[i].name, name) == 0)
            return trace->relations[i].bytes;
    }
    return 0;
}

/* Of the tables that the statement's text names: those that it may have changed. */
static void keep_changed(Trace *trace)
{
    TracedStatement *item = in_hand(trace);
    StrList named = item->changed;
    item->changed = (StrList){0};
    for (size_t i = 0; i < trace->relation_count; i++) {
        const TraceRelation *relation = &trace->relations[i];
        if (strlist_has(&named, relation->name) && relation->held >= ROW_EXCLUSIVE)
            strlist_add(trace->arena, &item->changed, relation->name);
    }
}

void trace_take(Trace *trace, const StatementFacts *cost, const PgResult *look)
{
    TracedStatement *item = in_hand(trace);
    item->cost.duration_ms = cost->duration_ms;
    item->cost.wal_bytes = cost->wal_bytes;
    item->cost.rows = cost->rows;
    for (size_t row = 0; look != NULL && row < pg_rows(look); row++)
        take_row(trace, look, row);
    if (look != NULL)
        keep_changed(trace);
    item->trace_class = classify(item);
    const StrList *tables = worked(item);
    for (size_t i = 0; i < tables->count; i++)
        item->bytes += bytes_of(trace, tables->items[i]);
    trace->in_statement = false;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void estimate(TracedStatement *item, TraceSize *size, void *data)
{
    const StrList *tables = worked(item);
    for (size_t i = 0; i < tables->count; i++)
        item->real_bytes += size(tables->items[i], data);
    double rate = (double)trace_default_rate(item->trace_class);
    if (item->cost.duration_ms >= MEASURED_MS && item->bytes >= MEASURED_BYTES)
        rate = (double)item->bytes * 1000 / (double)item->cost.duration_ms;
    double ms = rate > 0 ? (double)item->real_bytes * 1000 / rate : 0;
    item->estimate_ms = ms > (double)item->cost.duration_ms ? (uint64_t)ms : item->cost.duration_ms;
}

void trace_finish(Trace *trace, TraceSize *size, void *data)
{
    uint64_t held_ms = 0, estimate_ms = 0;
    for (size_t i = trace->count; i-- > 0;) {
        TracedStatement *item = &trace->items[i];
        estimate(item, size, data);
        if (i + 1 == trace->count || trace->items[i + 1].transaction != item->transaction)
            held_ms = estimate_ms = 0;
        held_ms += item->cost.duration_ms;
        estimate_ms += item->estimate_ms;
        for (size_t k = 0; k < item->lock_count; k++) {
            item->locks[k].held_ms = held_ms;
            item->locks[k].held_estimate_ms = estimate_ms;
        }
    }
}
