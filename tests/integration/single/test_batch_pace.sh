#!/usr/bin/env bash
# Backfills and what else goes on: batches wait while something forbids them, say what, and go on by themselves.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin batch_pace
cluster_start one

run_up() { # in the background
    "$BIN/pgtide" upgrade "$@" >"$T/run.out" 2>"$T/run.err" &
    RUN_PID=$!
    PIDS+=("$RUN_PID")
}
run_end() { # its exit status goes to $status
    status=0
    wait "$RUN_PID" 2>/dev/null || status=$?
}
done_rows() { cluster_psql one "$DATABASE" -c "SELECT coalesce(max((position #>> '{batch,done}')::int), 0) FROM pgtide.progress" 2>/dev/null || echo 0; }
has_done() { [ "$(done_rows)" -ge "$1" ]; }
says() { grep -q "held back: $1" "$T/run.err"; }

fill() { # NAME [OPTIONS]: a database whose 002 adds 1 to each of 4000 rows
    database one "$1"
    rm -rf "$T/p"
    project p
    rm "$PROJECT"/versions/*
    revision 001_base '' 'CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i FROM generate_series(1, 4000) i;
CREATE TABLE stop (please int);
INSERT INTO stop VALUES (0);
ANALYZE t;' 'DROP TABLE t, stop;'
    expect_exit 0 pgtide upgrade
    revision 002_fill 001_base "-- +batch key=id table=t size=100 target=none ${2:-}
UPDATE t SET n = n + 1 WHERE /*+batch*/ true;" 'SELECT 1;'
    sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/002_fill.sql"
}
settings() { printf 'versions: versions\nbackfill: {%s}\n' "$1" >"$PGTIDE_CONFIG"; }
goes_on() { # WHAT held it back
    run_end
    check "$1: it goes on by itself" test "$status" -eq 0
    check "$1: each row once" same "$(sql "SELECT count(*) || ' ' || min(n) || ' ' || max(n) FROM t")" '4000 1 1'
}
holds() { # WHAT REASON: nothing gets done while it is held
    wait_for 30 "$1 to be told" says "$2"
    local before
    before=$(done_rows)
    wait_for 30 "$1 to be looked at again" looked_again
    check "$1: nothing is done meanwhile" same "$(done_rows)" "$before"
    check "$1: its transaction is over" same "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%' AND state LIKE 'idle in%'")" 0
}
# A look of the session or of its server's connection that began after now.
looked_again() { [ "$(sql "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name LIKE 'pgtide%' AND query_start > '$(cat "$T/since")'")" = t ]; }
since_now() { sql 'SELECT clock_timestamp()' >"$T/since"; }

# --- the user's own query
fill query
settings 'query: "SELECT max(please) FROM stop"'
sql 'UPDATE stop SET please = 1'
run_up
since_now
holds "the user's query" "the backfill's query says so"
sql 'UPDATE stop SET please = 0'
goes_on "the user's query"

settings 'query: "DELETE FROM stop"'
expect_exit 2 pgtide upgrade
check 'a query that writes is refused' grep -q "'backfill.query' is no SELECT" "$T/err"
fill badquery
settings 'query: "SELECT please FROM nowhere"'
expect_exit 1 pgtide upgrade
check 'a query that fails ends it, with words' grep -q "the backfill's query: relation .*nowhere" "$T/err"

hold_table() { # TABLE MODE: a session of its own locks it
    mkfifo "$T/hold"
    cluster_psql one "$DATABASE" <"$T/hold" >/dev/null 2>&1 &
    HOLD_PID=$!
    PIDS+=("$HOLD_PID")
    exec 8>"$T/hold"
    echo "BEGIN; LOCK TABLE $1 IN $2 MODE; SELECT pg_advisory_lock(42);" >&8
    wait_for 10 'the table to be locked' is_held
}
let_table_go() {
    echo 'COMMIT; \q' >&8
    exec 8>&-
    wait "$HOLD_PID" || true
    rm "$T/hold"
}

# --- one that takes too long has said nothing
fill slowquery
settings 'query: "SELECT max(please) FROM stop WHERE pg_sleep(60 * please) IS NULL"'
sql 'UPDATE stop SET please = 1'
run_up
since_now
holds 'a query that takes long' "the backfill's query took too long"
sql 'UPDATE stop SET please = 0'
goes_on 'a query that takes long'

# --- a lock like VACUUM's on the table, or on a partition
fill vacuum
hold_table t 'SHARE UPDATE EXCLUSIVE'
run_up
since_now
holds 'a vacuum' 'the table is being vacuumed'
let_table_go
goes_on 'a vacuum'

fill vacuumpart
sql 'ALTER TABLE t RENAME TO t1; CREATE TABLE t (LIKE t1 INCLUDING ALL) PARTITION BY RANGE (id); ALTER TABLE t ATTACH PARTITION t1 DEFAULT'
hold_table t1 'SHARE UPDATE EXCLUSIVE'
run_up
since_now
holds 'a vacuum of a partition' 'the table is being vacuumed'
let_table_go
goes_on 'a vacuum of a partition'

# --- sessions that wait for a batch
fill waited
sql "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 150 THEN PERFORM pg_advisory_xact_lock(42); END IF; RETURN new; END';
CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow();"
settings 'target: 200ms'
sed -i 's/ target=none//; s/-- transaction: none/&\n-- lock-timeout: 30s/' "$PROJECT/versions/002_fill.sql"
hold_lock
run_up
wait_for 10 'a batch to be at work' step_waits
cluster_psql one waited -c 'UPDATE t SET n = n WHERE id = 120' &
WAITER_PID=$!
PIDS+=("$WAITER_PID")
waiter_waits() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE t SET n = n WHERE%'")" = 1 ]; }
wait_for 10 'somebody to wait for its rows' waiter_waits
release_lock
wait "$WAITER_PID"
goes_on 'a session that waited'
batches=$(sed -n 's/.* rows in \([0-9]*\) batches.*/\1/p' "$T/run.out")
check "batches became smaller for it ($batches)" test "$batches" -gt 0

# --- who builds an index elsewhere waits for every transaction to be over, and is not held up by it
fill harmless
sql "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 150 THEN PERFORM pg_advisory_xact_lock(42); END IF; RETURN new; END';
CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION slow();"
settings 'target: 200ms'
sed -i 's/-- transaction: none/&\n-- lock-timeout: 30s/' "$PROJECT/versions/002_fill.sql"
hold_lock
run_up
wait_for 10 'a batch to be at work' step_waits
cluster_psql one harmless -c 'CREATE INDEX CONCURRENTLY ON stop (please)' &
WAITER_PID=$!
PIDS+=("$WAITER_PID")
index_waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'virtualxid' AND NOT granted")" = 1 ]; }
wait_for 10 'an index to wait for it' index_waits
release_lock
goes_on 'an index elsewhere'
wait "$WAITER_PID"
check 'who builds an index is not counted' same "$(grep -c 'sessions waited' "$T/run.err")" 0

# --- what the server tells: too much WAL, a replica that stands still
fill wal pause=50ms
settings 'wal-rate: 64KiB'
run_up
wait_for 60 'the rate to be told' says '[0-9]* MiB/s of WAL'
goes_on 'too much WAL'

fill sessions
settings 'sessions: 2'
cluster_psql one sessions -c "SELECT pg_advisory_lock(7); SELECT pg_sleep(60)" >/dev/null 2>&1 &
PIDS+=($!)
cluster_psql one sessions -c "SELECT pg_sleep(61)" >/dev/null 2>&1 &
PIDS+=($!)
cluster_psql one sessions -c "SELECT pg_sleep(62)" >/dev/null 2>&1 &
PIDS+=($!)
three_sleep() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(6%' AND state = 'active' AND pid <> pg_backend_pid()")" = 3 ]; }
wait_for 10 'three sessions to be at work' three_sleep
run_up
since_now
holds 'many sessions' '3 sessions at work'
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(6%' AND pid <> pg_backend_pid()" >/dev/null
goes_on 'many sessions'

# --- stopped while it waits
fill stopped
settings 'query: "SELECT true"'
run_up
wait_for 30 'it to wait' says "the backfill's query says so"
kill -INT "$RUN_PID"
run_end
check 'a signal ends the wait' test "$status" -eq 130
check 'nothing was done' same "$(sql 'SELECT max(n) FROM t')" 0

# --- one batch at a time on a server, whichever of its databases it is for
urls=$T/urls
: >"$urls"
for name in turn1 turn2 turn3; do
    fill $name pause=1ms
    echo "$name $(cluster_url one $name)" >>"$urls"
done
for name in turn1 turn2 turn3; do
    DATABASE=$name
    sql "CREATE TABLE turns (began timestamptz, ended timestamptz);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO turns VALUES (now(), clock_timestamp()); RETURN NULL; END';
CREATE TRIGGER note AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION note()"
done
unset PGTIDE_URL
expect_exit 0 pgtide upgrade --urls "$urls" --jobs 3
: >"$T/turns"
for name in turn1 turn2 turn3; do
    DATABASE=$name
    check "$name: each row once" same "$(sql "SELECT count(*) || ' ' || min(n) || ' ' || max(n) FROM t")" '4000 1 1'
    sql "SELECT extract(epoch FROM began), extract(epoch FROM ended), '$name' FROM turns" >>"$T/turns"
done
sort -n "$T/turns" >"$T/sorted"
check 'all batches are noted' same "$(wc -l <"$T/sorted")" 120
check 'no batch begins before the one before it has ended' same \
    "$(awk -F'|' '$1 < last { n++ } { last = $2 } END { print n + 0 }' "$T/sorted")" 0
check 'they take turns' test "$(awk -F'|' 'last != "" && $3 != last { n++ } { last = $3 } END { print n + 0 }' "$T/sorted")" -gt 20
