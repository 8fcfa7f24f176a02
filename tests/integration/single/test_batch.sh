#!/usr/bin/env bash
# Backfills in batches: each row once and none left out, whatever is killed when; keys of any type; what is refused.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin batch
cluster_start one

none() { # ID PARENT UPGRADE DOWNGRADE [VERIFY]: a revision outside a transaction
    revision "$@"
    sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/$1.sql"
}

fresh() { # NAME SQL: a database at 001_base, which makes what the SQL says
    database one "$1"
    rm -rf "$T/p"
    project p
    rm "$PROJECT"/versions/*
    revision 001_base '' "$2" 'SELECT 1;'
    expect_exit 0 pgtide upgrade
}

run_up() { # in the background
    "$BIN/pgtide" "$@" >"$T/run.out" 2>"$T/run.err" &
    RUN_PID=$!
    PIDS+=("$RUN_PID")
}
run_end() { # its exit status goes to $status
    status=0
    wait "$RUN_PID" 2>/dev/null || status=$?
}
nobody() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'")" = 0 ]; }
position() { sql "SELECT position #>> '{batch,$1}' FROM pgtide.progress WHERE kind = 'batch'"; }
has_batches() { [ "$(sql "SELECT coalesce(max((position #>> '{batch,batches}')::int), 0) >= $1 FROM pgtide.progress" 2>/dev/null)" = t ]; }
each_once() { check "$1: each row once" same "$(sql "SELECT min(n) || ' ' || max(n) FROM t")" '1 1'; }

numbers='CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i FROM generate_series(1, 20000) i;
ANALYZE t;'
count_up='-- +batch key=id table=t size=500 target=none
UPDATE t SET n = n + 1 WHERE /*+batch*/ true;'
back='-- +batch key=id table=t size=5000 target=none
UPDATE t SET n = n - 1 WHERE /*+batch*/ true;'

# --- nothing goes wrong
fresh plain "$numbers"
none 002_fill 001_base "$count_up" "$back" 'SELECT min(n) = 1 AND max(n) = 1 FROM t'
expect_exit 0 pgtide upgrade
each_once plain
check 'says rows and batches' grep -q '20000 rows in 40 batches' "$T/out"
check 'at the revision, nothing left' same "$(rows)|$(sql 'SELECT count(*) FROM pgtide.progress')" '002_fill|0'
expect_exit 0 pgtide --json downgrade 001_base
check 'backwards too' same "$(sql 'SELECT min(n) || $$ $$ || max(n) FROM t')" '0 0'
check 'the result has rows and batches' grep -q '"backfills":\[{"revision":"002_fill","unit":1,"rows":20000,"batches":4}\]' "$T/out"
check 'the file runs whole in psql' cluster_psql one plain -q -f "$PROJECT/versions/002_fill.sql"

# --- keys of all kinds
keys() { # NAME TABLE KEY [STATEMENT]
    fresh "$1" "$2 ANALYZE t;"
    none 002_fill 001_base "-- +batch key=$3 table=t size=97 target=none
${4:-UPDATE t SET n = n + 1 WHERE /*+batch*/ true;}" 'SELECT 1;'
    expect_exit 0 pgtide upgrade
    each_once "$1"
}
keys composite 'CREATE TABLE t (a int, b text, n int DEFAULT 0, PRIMARY KEY (a, b)); INSERT INTO t SELECT i % 7, i FROM generate_series(1, 3000) i;' a,b
keys uuids 'CREATE TABLE t (id uuid PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT gen_random_uuid() FROM generate_series(1, 3000) i;' id
keys texts "CREATE TABLE t (\"the Key\" text COLLATE \"C\" UNIQUE NOT NULL, n int DEFAULT 0); INSERT INTO t SELECT chr(32 + i % 90) || E'\\\\\\\\''' || i FROM generate_series(1, 3000) i;" '"the Key"'
keys times "SET timezone = 'Asia/Kolkata'; CREATE TABLE t (at timestamptz PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT now() + i * interval '1 microsecond' FROM generate_series(1, 3000) i; ALTER DATABASE times SET datestyle = 'SQL, DMY';" at
keys chars 'CREATE TABLE t (id char(12) PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT i FROM generate_series(1, 3000) i;' id
keys domains 'CREATE DOMAIN code AS numeric(12, 3); CREATE TABLE t (id code PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT i / 8.0 FROM generate_series(1, 3000) i;' id
keys descending 'CREATE TABLE t (id int NOT NULL, n int DEFAULT 0); CREATE UNIQUE INDEX ON t (id DESC); INSERT INTO t SELECT i FROM generate_series(1, 3000) i;' id
keys partitioned 'CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0) PARTITION BY RANGE (id); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (1500); CREATE TABLE t2 PARTITION OF t DEFAULT; INSERT INTO t SELECT i FROM generate_series(1, 3000) i;' id
keys joined 'CREATE TABLE t (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO t SELECT i FROM generate_series(1, 3000) i; CREATE TABLE u (id int PRIMARY KEY, plus int); INSERT INTO u SELECT id, 1 FROM t;' id \
    'UPDATE t m SET n = n + u.plus FROM u WHERE u.id = m.id AND /*+batch*/ true;'

# --- an empty table; rows that come while it runs are left out beyond the last key, and others' transactions do not stop it
fresh emptied 'CREATE TABLE t (id int PRIMARY KEY, n int);'
none 002_fill 001_base "$count_up" 'SELECT 1;'
expect_exit 0 pgtide upgrade
check 'an empty table has nothing to do' grep -q '0 rows in 0 batches' "$T/out"

fresh inserts "$numbers"
sql "CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO t SELECT max(id) + 1, 7 FROM t; RETURN NULL; END';
CREATE TRIGGER more AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION more();"
none 002_fill 001_base "$count_up" 'SELECT 1;'
expect_exit 0 pgtide upgrade
check 'it ends at the key that was the last when it began' same \
    "$(sql 'SELECT count(*) FILTER (WHERE n = 1) || $$ $$ || count(*) FILTER (WHERE n = 7) FROM t')" '20000 40'

# --- killed: the client, the server's backend, the server; a statement that may not run twice
slow_up='-- +batch key=id table=t size=50 target=none pause=15ms
UPDATE t SET n = n + 1 WHERE /*+batch*/ true;'
fresh killed "$numbers"
none 002_fill 001_base "$slow_up" 'SELECT 1;'
kills=0
for round in $(seq 1 12); do
    run_up upgrade
    before=$(sql "SELECT coalesce(max((position #>> '{batch,batches}')::int), 0) FROM pgtide.progress")
    wait_for 30 'some batches' has_batches $((before + 1 + RANDOM % 9))
    case $((round % 3)) in
    0) kill -9 "$RUN_PID" ;;
    1) sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'" >/dev/null ;;
    2) [ "$round" -gt 6 ] && kill -9 "$RUN_PID" || cluster_restart one immediate ;;
    esac
    run_end
    kills=$((kills + 1))
    check "round $round did not end well" test "$status" -ne 0
    wait_for 10 'the server to be there' nobody
done
check 'it has begun and not ended' test "$(position done)" -gt 0
expect_exit 0 pgtide upgrade
each_once "killed $kills times"
check 'counted right' grep -q '20000 rows in 400 batches' "$T/out"

# --- stopped by a first signal: after the batch in hand, and it says how to go on
fresh stopped "$numbers"
none 002_fill 001_base "$slow_up" 'SELECT 1;'
run_up upgrade
wait_for 30 'some batches' has_batches 5
kill -INT "$RUN_PID"
run_end
check 'a signal stops it as an interruption' test "$status" -eq 130
check 'it says where it stopped' grep -q 'stopped between two batches: [0-9]* rows in [0-9]* batches are done, up to key' "$T/run.err"
check 'and how to go on' grep -q 'the same command goes on with the next one' "$T/run.err"
check 'nothing failed' same "$(sql "SELECT count(*) FROM pgtide.history WHERE outcome = 'failed'")" 0
check 'rows up to the position, and no others, are done' same \
    "$(sql "SELECT count(*) = (SELECT (position #>> '{batch,done}')::int FROM pgtide.progress) FROM t WHERE n = 1")" t
expect_exit 0 pgtide upgrade
each_once stopped

# --- a locked row is waited for
fresh locked "$numbers"
none 002_fill 001_base "$count_up" 'SELECT 1;'
mkfifo "$T/hold"
cluster_psql one locked <"$T/hold" >/dev/null 2>&1 &
HOLD_PID=$!
PIDS+=("$HOLD_PID")
exec 8>"$T/hold"
echo "BEGIN; UPDATE t SET n = n WHERE id = 7777; SELECT pg_advisory_lock(42);" >&8
wait_for 10 'the row to be locked' is_held
run_up upgrade
wait_for 30 'the batches before the row' has_batches 15
waits() { [ "$(sql "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.application_name LIKE 'pgtide%'")" = 1 ]; }
gives_up() { ! waits; }
for _ in 1 2; do
    wait_for 30 'the batch to wait' waits
    wait_for 30 'it not to wait long' gives_up
done
echo 'COMMIT; \q' >&8
exec 8>&-
wait "$HOLD_PID" || true
run_end
check 'a locked row is no failure' test "$status" -eq 0
each_once locked

# --- an error in a row: what came before it stays, and the same command goes on when it is mended
fresh broken "$numbers"
sql 'ALTER TABLE t ADD CONSTRAINT c CHECK (id <> 7777 OR n = 0)'
none 002_fill 001_base "$count_up" 'SELECT 1;'
expect_exit 1 pgtide upgrade
check 'names the statement and the keys' grep -q 'unit 1 of 1 (UPDATE t SET n = n + 1.*keys up to 8000' "$T/err"
check 'what came before it stays' same "$(position done)" 7500
sed -i 's/n + 1/n + 2/' "$PROJECT/versions/002_fill.sql"
expect_exit 5 pgtide upgrade
check 'another statement does not go on where this one stopped' grep -q 'has begun on this shard and is no longer in' "$T/err"
sql 'ALTER TABLE t ADD COLUMN m int NOT NULL DEFAULT 0'
sed -i 's/n + 2/n + 1/; s/key=id/key=m/' "$PROJECT/versions/002_fill.sql"
expect_exit 5 pgtide upgrade
sed -i 's/key=m/key=id/' "$PROJECT/versions/002_fill.sql"
sql 'ALTER TABLE t DROP CONSTRAINT c'
expect_exit 0 pgtide upgrade
each_once broken

# --- its position is taken away: no batch is committed without one
fresh gone "$numbers"
sql "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN DELETE FROM pgtide.progress; RETURN new; END';
CREATE TRIGGER gone BEFORE UPDATE ON t FOR EACH ROW WHEN (new.id = 7777) EXECUTE FUNCTION gone();"
none 002_fill 001_base "$count_up" 'SELECT 1;'
expect_exit 5 pgtide upgrade
check 'a position that is gone is an error' grep -q 'its row of pgtide.progress is gone' "$T/err"
check 'and its batch is not committed' same "$(position done)|$(sql 'SELECT count(*) FROM t WHERE n = 1')" '7500|7500'
sql 'DROP TRIGGER gone ON t'
expect_exit 0 pgtide upgrade
each_once gone

# --- stopped in its last batch: the unit behind it is not begun
fresh laststop "$numbers"
sql "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN new; END';
CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW WHEN (new.id = 20000) EXECUTE FUNCTION slow();"
none 002_fill 001_base "${count_up/size=500/size=6000}
CREATE INDEX CONCURRENTLY behind ON t (n);" 'SELECT 1;'
sed -i 's/-- transaction: none/&\n-- lock-timeout: 60s/' "$PROJECT/versions/002_fill.sql"
hold_lock
run_up upgrade
wait_for 30 'the last batch to be at work' step_waits
kill -INT "$RUN_PID"
wait_for 10 'the signal to be told' grep -q 'interrupted:' "$T/run.err"
release_lock
run_end
check 'a signal in the last batch stops it too' test "$status" -eq 130
check 'before the unit behind it' grep -q 'unit 2 of 2 (CREATE INDEX.*interrupted before it was begun' "$T/run.err"
check 'which has not begun' same "$(sql "SELECT coalesce(to_regclass('behind')::text, 'none')")" none
check 'the backfill is done' same "$(sql 'SELECT count(*) FROM pgtide.progress WHERE finished IS NOT NULL')" 1
check 'nothing has failed' same "$(sql "SELECT count(*) FROM pgtide.history WHERE outcome = 'failed'")" 0
expect_exit 0 pgtide upgrade
each_once laststop
check 'the same command goes on with it' same "$(sql "SELECT to_regclass('behind')::text")" behind

# --- until no row changes
fresh until 'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i FROM generate_series(1, 20000) i; ANALYZE t;'
none 002_fill 001_base '-- +batch until=no-rows target=none
UPDATE t SET n = 1 WHERE id IN (SELECT id FROM t WHERE n IS NULL LIMIT /*+batch*/ 3000);' 'UPDATE t SET n = NULL;'
expect_exit 0 pgtide upgrade
each_once until
check 'as many batches as it takes' grep -q '20000 rows in 7 batches' "$T/out"
none 003_ever 002_fill '-- +batch until=no-rows batches=10
UPDATE t SET n = n + 1 WHERE id IN (SELECT id FROM t LIMIT 1000);' 'SELECT 1;'
expect_exit 5 pgtide upgrade
check 'what does not end is ended' grep -q '10 batches, and it still changes rows' "$T/err"

# --- a row without a key, which no range finds: a NOT NULL that is not validated lets it be
fresh nulls 'CREATE TABLE t (id int UNIQUE, n int DEFAULT 0); INSERT INTO t SELECT i FROM generate_series(1, 3000) i; INSERT INTO t VALUES (NULL);'
sql "UPDATE pg_attribute SET attnotnull = true WHERE attrelid = 't'::regclass AND attname = 'id'"
none 002_fill 001_base "$count_up" 'SELECT 1;'
expect_exit 5 pgtide upgrade
check 'a NULL in the key is refused' grep -q 'has a row whose key (id) has a NULL' "$T/err"
check 'and nothing is done' same "$(rows)|$(sql 'SELECT max(n) FROM t')" '001_base|0'
sql 'DELETE FROM t WHERE id IS NULL'
expect_exit 0 pgtide upgrade
each_once nulls

# --- what is refused
refused() { # WHAT STATUS PATTERN ANNOTATION STATEMENT
    none 002_fill 001_base "-- +batch $4
$5" 'SELECT 1;'
    expect_exit "$2" pgtide upgrade
    check "refused: $1" grep -q -- "$3" "$T/err"
    check "nothing changed: $1" same "$(rows)" 001_base
}
fresh refused 'CREATE TABLE t (id int PRIMARY KEY, maybe int UNIQUE, also int NOT NULL, part int NOT NULL, rest int); CREATE UNIQUE INDEX ON t (part) WHERE id > 0; CREATE VIEW v AS SELECT * FROM t;'
update='UPDATE t SET rest = 1 WHERE /*+batch*/ true;'
refused 'a column that may be NULL' 5 'column maybe may be NULL' 'key=maybe table=t' "$update"
refused 'a key that is not unique' 5 'no unique btree index on exactly this key' 'key=also table=t' "$update"
refused 'part of a key' 5 'no unique btree index on exactly this key' 'key=id,also table=t' "$update"
sql "CREATE TABLE heir () INHERITS (t); UPDATE pg_attribute SET attnotnull = false WHERE attrelid = 'heir'::regclass AND attname = 'id';
INSERT INTO heir VALUES (NULL, 1, 0, 1)" # a child need not have its parent's NOT NULL, in one version or another
refused 'a child whose column may be NULL' 5 'column id may be NULL in .*heir' 'key=id table=t' "$update"
sql 'DROP TABLE heir'
refused 'a partial index' 5 'no unique btree index on exactly this key' 'key=part table=t' "$update"
refused 'no such column' 5 'it has no column nope' 'key=nope table=t' "$update"
refused 'a view' 5 'it is no table' 'key=id table=v' 'UPDATE v SET also = 1 WHERE /*+batch*/ true;'
refused 'no such table' 5 'no such table' 'key=id table=gone' 'UPDATE gone SET also = 1 WHERE /*+batch*/ true;'
revision 002_fill 001_base "$count_up" 'SELECT 1;'
expect_exit 2 pgtide upgrade
check 'refused in a transaction, with the reason' grep -q "'-- +batch' counts only with .-- transaction: none" "$T/err"
