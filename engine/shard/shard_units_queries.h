/* What a step with `transaction: none` asks of pgtide.progress. Internal to engine/shard_units*.c.
 */
#pragma once

/* 1 schema, 2 operation, 3 revision, 4 direction, 5 the other direction. The first forgets what
 * something else has made void since, the second takes over the rest, the third reads it. */
extern const char units_sql_forget_void[];
extern const char units_sql_take_over[];
extern const char units_sql_read[]; /* 1 schema, 2 operation */
/* 1 schema, 2 operation, 3 kind, 4 digest (hex), 5 finished, 6 revision, 7 direction, 8 what,
 * 9 statement, 10 probe, 11 facts; gives the unit's number. */
extern const char units_sql_insert[];
/* 1 schema, 2 operation, 3 unit, 4 finished, 5 facts (NULL = as they were) */
extern const char units_sql_update[];
extern const char units_sql_delete[]; /* 1 schema, 2 operation, 3 unit */
extern const char units_sql_clear[];  /* 1 schema, 2 operation */
/* 1 pid, 2 when it was that backend's: ends it and gives a row while it is there. */
extern const char units_sql_end_backend[];
/* 1 search_path, 2 lock_timeout, 3 statement_timeout: of the session, outside a transaction. */
extern const char units_sql_enter[];
