#!/usr/bin/env bash
# CREATE INDEX CONCURRENTLY on a partitioned table: on the table alone, on each partition, attached; cut off at every
# piece, gone on with, and refused where it can't be done.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin partitioned-index
cluster_start one

none() { # ID PARENT UPGRADE DOWNGRADE [VERIFY]: a revision outside a transaction
    revision "$@"
    sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/$1.sql"
}

LONG=a_partition_with_a_name_that_is_nearly_as_long_as_names_may_be
fresh() { # NAME: a database whose table has partitions on two levels
    database one "$1"
    rm -rf "$T/p"
    project p
    rm "$PROJECT"/versions/*
    revision 001_base '' "CREATE SCHEMA other;
CREATE TABLE msg (id int NOT NULL, at int NOT NULL, body text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE msg_1 PARTITION OF msg FOR VALUES FROM (0) TO (100);
CREATE TABLE other.\"Msg 2\" PARTITION OF msg FOR VALUES FROM (100) TO (200) PARTITION BY LIST (id);
CREATE TABLE $LONG PARTITION OF other.\"Msg 2\" FOR VALUES IN (1);
CREATE TABLE msg_2_rest PARTITION OF other.\"Msg 2\" DEFAULT;
CREATE TABLE msg_3 PARTITION OF msg FOR VALUES FROM (200) TO (300);
INSERT INTO msg SELECT i % 500, i % 300, i FROM generate_series(1, 3000) i ON CONFLICT DO NOTHING;" \
        'DROP TABLE msg; DROP SCHEMA other;'
    expect_exit 0 pgtide upgrade
}

# Every index whose definition has the column: its table, whether it is valid and attached.
tree() { sql "SELECT string_agg(format('%s:%s%s', i.indrelid::regclass, CASE WHEN i.indisvalid AND i.indisready THEN 'valid' ELSE 'INVALID' END,
    CASE WHEN h.inhrelid IS NULL THEN '' ELSE '+' END), ' ' ORDER BY i.indrelid::regclass::text COLLATE \"C\")
    FROM pg_index i LEFT JOIN pg_inherits h ON h.inhrelid = i.indexrelid
    WHERE pg_get_indexdef(i.indexrelid) LIKE '%(body)%'"; }
whole="$LONG:valid+ msg:valid msg_1:valid+ msg_2_rest:valid+ msg_3:valid+ other.\"Msg 2\":valid+"
progress() { sql 'SELECT count(*) FROM pgtide.progress'; }

fresh plain
none 002_index 001_base 'CREATE INDEX CONCURRENTLY msg_body ON msg (body);' 'DROP INDEX msg_body;'
expect_exit 0 pgtide upgrade
check 'built on every partition, and attached' same "$(tree)" "$whole"
check 'no progress is left' same "$(progress)" 0
check 'a name of each' contains "$(sql "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'i' AND relname LIKE '%body%'")" \
    'msg_1_msg_body msg_2_rest_msg_body msg_3_msg_body msg_body_'
sql 'CREATE TABLE msg_4 PARTITION OF msg FOR VALUES FROM (300) TO (400)'
check 'a partition that comes later has it' contains "$(tree)" 'msg_4:valid+'
expect_exit 0 pgtide downgrade -1
check 'gone' same "$(tree)" ''

# --- an index of the name is there already
sql 'CREATE INDEX msg_body ON msg (body)'
expect_exit 0 pgtide upgrade
check 'the same one is taken as it is' contains "$(tree)" 'msg:valid'
expect_exit 0 pgtide downgrade -1
sql 'CREATE INDEX msg_body ON msg (id)'
expect_exit 5 pgtide upgrade
check 'another is refused' contains "$(cat "$T/err")" 'exists with another definition'
sql 'DROP INDEX msg_body; CREATE INDEX msg_body ON ONLY msg (body)'
expect_exit 5 pgtide upgrade
check 'an invalid one of somebody else too' contains "$(cat "$T/err")" 'was not left by this revision'

# --- killed while a partition waits: a writer of msg_3 is what CREATE INDEX CONCURRENTLY waits for
fresh cut
none 002_index 001_base 'CREATE INDEX CONCURRENTLY msg_body ON msg (body);' 'DROP INDEX msg_body;'
mkfifo "$T/hold"
cluster_psql "$CLUSTER" "$DATABASE" <"$T/hold" >/dev/null 2>&1 &
PIDS+=($!)
HOLD_PID=$!
exec 8>"$T/hold"
echo "SET application_name = 'holder'; BEGIN; UPDATE msg_3 SET body = body WHERE at = 200;" >&8
wait_for 10 'the writer' eval '[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = '\''holder'\'' AND state = '\''idle in transaction'\''")" = 1 ]'
at_work() { sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%' AND wait_event_type = 'Lock' AND query LIKE '%msg_3%'"; }
nobody() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'")" = 0 ]; }
waits() { [ "$(at_work)" = 1 ]; }
"$BIN/pgtide" upgrade >"$T/run.out" 2>"$T/run.err" &
PIDS+=($!)
RUN_PID=$!
wait_for 20 'a partition to wait for the writer' waits
kill -9 "$RUN_PID"
wait "$RUN_PID" 2>/dev/null || true
orphans_end one
wait_for 10 'its backend to notice' nobody
check 'the others stay' contains "$(tree)" 'msg_1:valid '
check 'one is cut off' contains "$(tree)" 'msg_3:INVALID'
check 'the whole is not valid' contains "$(tree)" 'msg:INVALID'
before=$(sql "SELECT 'msg_1_msg_body'::regclass::oid")
echo '\q' >&8
exec 8>&-
wait "$HOLD_PID" || true
expect_exit 0 pgtide upgrade
check 'gone on with' same "$(tree)" "$whole"
check 'what was built is not built again' same "$(sql "SELECT 'msg_1_msg_body'::regclass::oid")" "$before"
check 'and it is recorded once' same "$(sql "SELECT count(*) FROM pgtide.history WHERE revision = '002_index' AND outcome = 'succeeded'")" 1

# --- what the server refuses; rows of one partition that can't be indexed
fresh twice
none 002_index 001_base 'CREATE UNIQUE INDEX CONCURRENTLY msg_body ON msg (body);' 'DROP INDEX msg_body;'
expect_exit 1 pgtide upgrade
check 'what the server refuses is told' contains "$(cat "$T/err")" 'unique constraint on partitioned table'
none 002_index 001_base 'CREATE INDEX CONCURRENTLY msg_body ON msg ((100 / (at - 250)), body);' 'DROP INDEX msg_body;'
expect_exit 1 pgtide upgrade
check 'the statement that failed is named' contains "$(cat "$T/err")" 'msg_3_msg_body'
sql 'DELETE FROM msg WHERE at = 250'
expect_exit 0 pgtide upgrade
check 'whole' same "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'msg_body'::regclass")" t

# --- a foreign partition has no index
fresh far_away
sql 'CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;
CREATE FOREIGN TABLE far PARTITION OF msg FOR VALUES FROM (900) TO (999) SERVER s' >/dev/null 2>&1 || true
if [ "$(sql "SELECT count(*) FROM pg_class WHERE relname = 'far'")" = 1 ]; then
    none 002_index 001_base 'CREATE INDEX CONCURRENTLY msg_body ON msg (body);' 'DROP INDEX msg_body;'
    expect_exit 5 pgtide upgrade
    check 'said' contains "$(cat "$T/err")" 'is a foreign table'
fi
