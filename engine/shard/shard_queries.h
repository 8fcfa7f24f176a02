/*
 * The SQL that claims, steps and reads send. Everything in it is schema-qualified or runs under
 * search_path = pg_catalog, pg_temp. Queries that name the version table hold one or more %s for
 * its quoted, qualified name. Internal to engine/shard*.c.
 */
#pragma once

/* 1 lock_timeout. Remembers the session's path and schemas in settings of ours, then closes the
 * path; must come before anything that could be shadowed by the database's own objects. */
extern const char shard_sql_enter[];
/* 1 schema, 2 with size: identity and surroundings; one row, see shard_look_read(). */
extern const char shard_sql_identity[];
/* 1 schema, 2 LIKE pattern or NULL: the ledger's relations and whether they may be trusted. */
extern const char shard_sql_relations[];
/* The same as shard_quick_relation_read() takes it; the first is for no pattern. */
extern const char shard_sql_quick_relations[];
extern const char shard_sql_quick_relations_like[];
extern const char shard_sql_ledger[]; /* schema pgtide's exact verdict; a row if it exists */
/* 1 LIKE pattern: schemas, sorted bytewise. */
extern const char shard_sql_schemas[];
/* 1 pid, 2 a moment at which that backend lived, in seconds since 1970. */
extern const char shard_sql_terminate[];

/* 1 our backend's pid, 2 class, 3 object: NULL when another backend answers. */
extern const char shard_sql_lock[];
extern const char shard_sql_unlock[];      /* 1 class, 2 object */
extern const char shard_sql_lock_holder[]; /* 1 class, 2 object: pid, name, user, since, state */
extern const char shard_sql_may_alter[];   /* 1 schema of the version table: whether we own it */
extern const char shard_sql_widen[];       /* %s */
extern const char shard_sql_stay[];        /* no idle session of ours is ended: it holds a lock */
/* How long a step may take is said by its own timeouts: this one would end the session. */
extern const char shard_sql_no_transaction_timeout[];
extern const char shard_sql_keepalive[]; /* a vanished client's session ends soon */

/* 1 schema, 2 uuid, 3 fleet, 4 epoch, 5 sysid, 6 database oid, 7 schema oid, 8 accept identity,
 * 9 unmanaged. The first inserts a missing row and takes over an unmanaged one. */
extern const char shard_sql_claim_adopt[];
extern const char shard_sql_claim[];
/* 1 schema, 2 its former name, 3 uuid, 4 schema oid: the row and what belongs to it. */
extern const char shard_sql_adopt_renamed[];
/* 1 schema, 2 uuid, 3 fleet, 4 epoch, 5 sysid, 6 database oid, 7 schema oid, 8 the row's uuid, 9
 * the other fleet whose row it may be. */
extern const char shard_sql_adopt_row[];
extern const char shard_sql_note_adopted[]; /* %s; 1 schema, 2 operation, 3 who, 4 message */
extern const char shard_sql_row[];          /* 1 schemas, an array */
extern const char shard_sql_assert_claim[]; /* 1 schema: an error unless this transaction claimed */
extern const char shard_sql_create_version[];     /* %s */
extern const char shard_sql_rows[];               /* %s: one row, an array */
extern const char shard_sql_note_outside[];       /* %s; 1 schema, 2 who, 3 rollout */
extern const char shard_sql_note_unmanaged[];     /* %s; 1 schema, 2 who, 3 reason */
extern const char shard_sql_history_of_rollout[]; /* 1 schema, 2 rollout */
extern const char shard_sql_history_last[];       /* 1 schema, 2 limit */
extern const char shard_sql_history_record[];     /* the same, and facts */
extern const char shard_sql_units[];              /* 1 schema, 2 limit: of steps under way */

/* 1 lock_timeout. Checked: a backend whose client is gone stops; from VERSION_WITH_CHECK_INTERVAL
 * on. */
extern const char shard_sql_enter_step[];
extern const char shard_sql_enter_step_checked[];
/* 1 schema of the version table: it alone. */
extern const char shard_sql_relation[];
/* 1 schema, 2 operation, 3 fence, 4 epoch, 5 fleet */
extern const char shard_sql_fence[];
/* %s; 1 schema, 2 and 3 operations, 4 schema of the version table, 5 our role, 6 the database's
 * owner. Transaction id; the rows that each of the two operations led to when it succeeded before
 * (NULL = it did not); the version table's width and then its rows, or NULL when it must be looked
 * at exactly first. */
extern const char shard_sql_stand[];
/* 1 search_path, 2 lock_timeout, 3 statement_timeout */
extern const char shard_sql_enter_author[];
extern const char shard_sql_leave_author[];
/* The same with a mark: the clock, in seconds since 1970, and where the server's WAL ends. It is
 * columns 5 and 6 of the first, 0 and 1 of the others. Not on a standby. */
extern const char shard_sql_enter_author_mark[];
extern const char shard_sql_leave_author_mark[];
extern const char shard_sql_mark[];
extern const char shard_sql_version_update[]; /* %s; 1 from, 2 to */
extern const char shard_sql_version_delete[]; /* %s; 1 array */
extern const char shard_sql_version_insert[]; /* %s; 1 array */
/* 1 schema, 2 operation, 3 rollout, 4 generation, 5 attempt, 6 revision, 7 direction, 8 rows
 * before, 9 rows after, 10 source digest, 11 token digest, 12 who, 13 message */
extern const char shard_sql_history_insert[];
/* the same 1-12, then 13 sqlstate, 14 message, 15 fence, 16 epoch; only while ours. */
extern const char shard_sql_history_failed[];
extern const char shard_sql_history_failed_facts[]; /* and 17 facts; from format 2 on */
extern const char shard_sql_history_facts[]; /* 1 schema, 2 facts: of the row just inserted */
/* From format 1 to 2: the column of facts. */
extern const char shard_sql_take_up_format[];
extern const char shard_sql_note_format[];
/* %s; 1 schema, 2 operation, 3 fence, 4 epoch, 5 fleet: whether the row is ours (1), version rows,
 * transaction id */
extern const char shard_sql_reassert[];
extern const char shard_sql_deferred[]; /* names of constraints that begin deferred, or NULL */
/* %s; 1 schema, 2 operation, 3 to 5 as 4 to 6 of shard_sql_stand: the version table as there, and
 * the rows that the history says. */
extern const char shard_sql_after[];
extern const char shard_sql_applied[]; /* 1 schema: revision, token digest, finished */
extern const char shard_sql_path[];    /* the session's search_path */
