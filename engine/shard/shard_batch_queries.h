/*
 * The SQL of backfills that does not depend on their tables. Parameters as each says; $1 to $3 of
 * those on pgtide.progress are schema, operation and unit. Internal to engine/shard_units_batch*.c.
 */
#pragma once

/* The table that probe_find_sql has found, and a key of it ($1, names of columns). One row: what
 * is wrong ('' = nothing), the table, and of each column its name, type and how it is read as text,
 * all quoted; the schema of its operators, quoted; rows by the statistics, 0 when there are none;
 * the table's oid. */
extern const char batch_sql_table[];

/* table, key, bound, last (texts of arrays; NULL = none yet), done, changed, batches, total, rows
 * of the next batch; no row when nothing of it was noted. */
extern const char batch_sql_read[];

/* Whether the table $1 is being vacuumed, which keeps its horizon back and its rows in motion. */
extern const char batch_sql_vacuum[];
/* The search path for the rest of the transaction. */
extern const char batch_sql_path[];
/* How many sessions wait for this one; $1: the version table, quoted. */
extern const char batch_sql_waiting[];

/* The same, in that order, as $4 to $12; $13: it has ended. One row when it was written. */
extern const char batch_sql_write[];
