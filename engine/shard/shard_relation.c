/*
 * Whether a relation that pgtide reads and writes is what it seems: nothing in it may run its
 * owner's code with our rights.
 */
#include "shard_session.h"

#include <string.h>

enum { BOOTSTRAP_SUPERUSER = 10 };

/* Columns of shard_sql_relations, and of the quick ones up to the width. */
enum { SCHEMA, NAME, SCHEMA_OID, READABLE, WIDTH, VERDICT };
/* The quick ones' others. */
enum {
    KIND = WIDTH + 1,
    PERSISTENCE,
    FLAGGED, /* has row security, triggers, rules, a partitioned parent, children */
    HAS_ACL,
    CHECKS,
    COLUMNS,
    OWNER,
    SCHEMA_OWNER,
    HAS_EXPRESSIONS, /* in its indexes */
};

static ShardRelation read_name(ShardSession *session, const PgResult *result, size_t row)
{
    return (ShardRelation){
        .schema = arena_strdup(session->arena, pg_text(result, row, SCHEMA)),
        .name = arena_strdup(session->arena, pg_text(result, row, NAME)),
        .schema_oid = (uint32_t)pg_u64(result, row, SCHEMA_OID),
        .readable = pg_bool(result, row, READABLE),
        .width = (uint32_t)pg_u64(result, row, WIDTH),
        .verdict = "",
    };
}

ShardRelation shard_relation_read(ShardSession *session, const PgResult *result, size_t row)
{
    ShardRelation relation = read_name(session, result, row);
    relation.verdict = arena_strdup(session->arena, pg_text(result, row, VERDICT));
    return relation;
}

static bool is_ledger(const ShardRelation *relation)
{
    return strcmp(relation->schema, "pgtide") == 0;
}

static bool is_plain(const PgResult *result, size_t row)
{
    return strcmp(pg_text(result, row, KIND), "r") == 0 &&
           strcmp(pg_text(result, row, PERSISTENCE), "p") == 0 && !pg_bool(result, row, FLAGGED);
}

/* A version table with columns of its own is looked at exactly: they may have defaults. */
static bool has_no_code(const PgResult *result, size_t row)
{
    return pg_u64(result, row, CHECKS) == 0 && pg_u64(result, row, COLUMNS) == 1 &&
           !pg_is_null(result, row, WIDTH) && !pg_bool(result, row, HAS_EXPRESSIONS);
}

static bool is_suspect(const ShardSession *session, const PgResult *result, size_t row, bool ledger)
{
    uint64_t owner = pg_u64(result, row, OWNER);
    bool ours = owner == BOOTSTRAP_SUPERUSER || owner == session->role_oid;
    if (!is_plain(result, row))
        return true;
    if (ledger)
        return !ours || pg_bool(result, row, HAS_ACL);
    bool hosts = owner == session->database_owner_oid || owner == pg_u64(result, row, SCHEMA_OWNER);
    return !(ours || hosts) || !has_no_code(result, row);
}

ShardRelation shard_quick_relation_read(ShardSession *session, const PgResult *result, size_t row)
{
    ShardRelation relation = read_name(session, result, row);
    relation.suspect = is_suspect(session, result, row, is_ledger(&relation));
    return relation;
}
