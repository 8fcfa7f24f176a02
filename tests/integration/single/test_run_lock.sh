#!/usr/bin/env bash
# One run at a time works on a shard: who comes second hears who is at work, waits without being in anybody's way, and
# gets in whatever became of the first. A version table too narrow for what is to come is widened by the claim.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin run-lock
cluster_start one
project small
probe() { "$BIN/pgtide_shard_probe" "$PGTIDE_URL" "$@"; }

hold() { # a session NAME that has claimed and waits; go_on lets it end
    mkfifo "$T/pause"
    "$BIN/pgtide_shard_probe" "$PGTIDE_URL" name "$1" claim 0 0 pause claim 0 0 <"$T/pause" >"$T/hold.out" 2>&1 &
    HOLD_PID=$!
    PIDS+=("$HOLD_PID")
    exec 8>"$T/pause"
    rm "$T/pause"
    wait_for 10 'the holder to have claimed' grep -q paused "$T/hold.out"
}
go_on() {
    echo >&8
    exec 8>&-
}
locks() { sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885828201 AND granted"; }
no_locks() { [ "$(locks)" = 0 ]; }
backend() { sql "SELECT pid FROM pg_stat_activity WHERE application_name = '$1'"; }
snapshots() { sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'probe%' AND (backend_xmin IS NOT NULL OR state <> 'idle')"; }
waits() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'probe second' AND query LIKE '%pg_try_advisory_lock%'")" = 1 ]; }
at_rest() { [ "$(snapshots)" = 0 ]; }

# --- a claim at once hears who holds the shard, and changes nothing
database one busy
hold 'probe alice@there 42'
fence=$(sql 'SELECT fence FROM pgtide.shard')
expect_exit 1 probe claim 0 0
check 'busy' contains "$(cat "$T/out")" 'claim: BUSY'
check 'names the holder' contains "$(cat "$T/out")" "probe alice@there 42 is at work on this shard (server process $(backend 'probe alice@there 42'), connected since 20"
check 'and the way out' contains "$(cat "$T/out")" "pg_terminate_backend($(backend 'probe alice@there 42'))"
check 'the fence is the holder'\''s' same "$(sql 'SELECT fence FROM pgtide.shard')" "$fence"
check 'the loser holds nothing' same "$(locks)" 1
sql 'CREATE SCHEMA tenant'
expect_exit 0 probe schema tenant claim 0 0
check 'another shard of the database is free' contains "$(cat "$T/out")" 'claim: base'

# --- one that waits is in nobody's way: CREATE INDEX CONCURRENTLY waits for every old snapshot
"$BIN/pgtide_shard_probe" "$PGTIDE_URL" name 'probe second' claim 600000 0 >"$T/second.out" 2>&1 &
SECOND_PID=$!
PIDS+=("$SECOND_PID")
wait_for 10 'the second to poll' waits
wait_for 10 'both to hold no snapshot' at_rest
sql 'CREATE TABLE big (id int)'
check 'an index is built meanwhile' timeout 60 "$PG_BIN/psql" -X -q "$PGTIDE_URL" -c 'CREATE INDEX CONCURRENTLY big_id ON big (id)'
check 'the second has not got in' same "$(cat "$T/second.out")" ''
go_on
wait "$HOLD_PID"
check 'the holder could claim once more' same "$(grep -c '^claim: base' "$T/hold.out")" 2
wait "$SECOND_PID"
check 'the second got in' contains "$(cat "$T/second.out")" 'claim: base'
wait_for 10 'the lock to go with its session' no_locks

# --- a claim that fails gives the lock back, though its session lives
sql "UPDATE pgtide.shard SET fleet_id = gen_random_uuid()"
expect_exit 1 probe claim 0 0
check 'refused by the row' contains "$(cat "$T/out")" 'FLEET_MANAGED'
wait_for 10 'nothing to stay' no_locks

# --- kill -9 of the holder: its session ends, and so does its lock
database one killed
hold 'probe first'
kill -9 "$HOLD_PID"
wait "$HOLD_PID" 2>/dev/null || true
exec 8>&-
expect_exit 0 probe claim 10000 0
check 'the next one gets in' contains "$(cat "$T/out")" 'claim: base'

# --- a frozen holder: its server process is named, ending it lets others in, and it finds out
database one frozen
hold 'probe frozen'
kill -STOP "$HOLD_PID"
expect_exit 1 probe claim 100 0
check 'names the frozen one' contains "$(cat "$T/out")" 'probe frozen is at work'
sql "SELECT pg_terminate_backend($(grep -o 'pg_terminate_backend([0-9]*' "$T/out" | grep -o '[0-9]*'))" >/dev/null
expect_exit 0 probe claim 10000 0
kill -CONT "$HOLD_PID"
go_on
status=0
wait "$HOLD_PID" || status=$?
check 'the frozen one has lost its connection' same "$status" 1
check 'and says so' contains "$(cat "$T/hold.out")" 'claim: CONNECT'

# --- two runs of the command line: the second ends with the name of the first
database one runs
expect_exit 0 pgtide upgrade 001_first
hold_lock
"$BIN/pgtide" upgrade 002_wait --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
STEP_PID=$!
PIDS+=("$STEP_PID")
wait_for 10 'the first to reach its lock' step_waits
expect_exit 6 pgtide upgrade
check 'names the first run' contains "$(cat "$T/err")" "@$(uname -n) $STEP_PID is at work on this shard"
release_lock
wait "$STEP_PID"
check 'the first is not disturbed' same "$(rows)" 002_wait

# --- kill -9 in the middle of a step: no one has to unlock anything
revision 003_last 002_wait 'SELECT pg_advisory_xact_lock(42);' 'SELECT 1;'
hold_lock
"$BIN/pgtide" upgrade --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
STEP_PID=$!
PIDS+=("$STEP_PID")
wait_for 10 'the step to reach its lock' step_waits
kill -9 "$STEP_PID"
wait "$STEP_PID" 2>/dev/null || true
orphans_end one
wait_for 10 'its server process to notice' no_step_waits
release_lock
wait_for 10 'the lock to go' no_locks
expect_exit 0 pgtide upgrade
check 'done by the next' same "$(rows)" 003_last

# --- a version table of Alembic's width
database one narrow
sql "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
    INSERT INTO alembic_version VALUES ('a1')"
expect_exit 0 probe claim 0 32
check 'wide enough is left alone' same "$(cat "$T/out")" 'claim: a1 width 32, from 0'
expect_exit 0 probe claim 0 33
check 'widened once it has to be' same "$(cat "$T/out")" 'claim: a1 width 255, from 32'
expect_exit 0 probe claim 0 33
check 'and said once' same "$(cat "$T/out")" 'claim: a1 width 255, from 0'
check 'in the table' same "$(sql "SELECT atttypmod - 4 FROM pg_attribute WHERE attrelid = 'alembic_version'::regclass AND attname = 'version_num'")" 255

# --- whose owner we are not
database one not_ours
cluster_psql one postgres -c 'CREATE ROLE guest LOGIN' -c 'GRANT CREATE ON DATABASE not_ours TO guest'
sql 'CREATE TABLE alembic_version (version_num varchar(32) NOT NULL PRIMARY KEY); GRANT ALL ON alembic_version TO guest'
PGTIDE_URL="postgresql://guest@/not_ours?host=$T/one/socket"
expect_exit 1 probe claim 0 33
check 'refused' contains "$(cat "$T/out")" 'claim: STATE revision ids of up to 33 characters do not fit alembic_version, which is 32 wide'
check 'with the owner' contains "$(cat "$T/out")" 'Run as postgres'
check 'before anything is made' same "$(sql "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgtide'")" 0
