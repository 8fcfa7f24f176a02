#!/usr/bin/env bash
# The client dies, the backend dies, a person interrupts: in the middle of a step and in COMMIT. Each time the shard
# has exactly one outcome, and claiming it again finds it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin killed
# Only a step that asks for it waits for its replication, to a standby that never comes.
cluster_start one synchronous_standby_names=nobody synchronous_commit=local
project small
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SET LOCAL synchronous_commit = on;
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'

start_step() { # runs 002_wait in the background, up to the lock
    expect_exit 0 pgtide upgrade 001_first
    hold_lock
    "$BIN/pgtide" upgrade 002_wait --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
    STEP_PID=$!
    PIDS+=("$STEP_PID")
    wait_for 10 'the step to reach its lock' step_waits
}

start_commit() { # and up to its COMMIT, which then waits for ever
    start_step
    release_lock
    wait_for 10 'COMMIT to wait' step_commits
}

end_sync() {
    sql "ALTER SYSTEM SET synchronous_standby_names = ''"
    sql 'SELECT pg_reload_conf()' >/dev/null
}

begin_sync() {
    sql 'ALTER SYSTEM RESET synchronous_standby_names'
    cluster_restart one
}

succeeded() { sql "SELECT count(*) FROM pgtide.history WHERE revision = '002_wait' AND outcome = 'succeeded'"; }

# --- kill -9 of the client in the middle of the step: its backend notices and rolls back
database one killed_in_step
start_step
kill -9 "$STEP_PID"
wait "$STEP_PID" 2>/dev/null || true
orphans_end one
wait_for 10 'the orphan to notice' no_step_waits
release_lock
check 'nothing was applied' same "$(rows)" 001_first
end_sync
expect_exit 0 pgtide upgrade 002_wait
begin_sync
check 'applied once now' same "$(rows)|$(succeeded)" '002_wait|1'

# --- kill -9 of the client while COMMIT is in flight: it happened
database one killed_in_commit
start_commit
kill -9 "$STEP_PID"
check 'nobody sees it yet' same "$(rows)" 001_first
expect_exit 6 pgtide upgrade 002_wait --lock-timeout 200ms
check 'the claim waited and gave up' same "$(rows)" 001_first
end_sync
expect_exit 0 pgtide upgrade 002_wait --lock-timeout 10s
check 'nothing was left to do' contains "$(cat "$T/out")" 'nothing to do'
check 'exactly one outcome' same "$(rows)|$(succeeded)" '002_wait|1'

begin_sync

# --- the backend is terminated in the middle of the step
database one backend_in_step
start_step
sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted" >/dev/null
status=0
wait "$STEP_PID" || status=$?
release_lock
check 'safe to retry' same "$status" 6
check 'says that it did not happen' contains "$(cat "$T/step.err")" 'did not happen'
check 'still before it' same "$(rows)" 001_first

# --- the backend is terminated in COMMIT: the client reads the shard and finds the step done
database one backend_in_commit
start_commit
sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" >/dev/null
status=0
wait "$STEP_PID" || status=$?
check 'success, as read' same "$status|$(rows)|$(succeeded)" '0|002_wait|1'

# --- Ctrl-C in the middle of the step: rolled back, and it says where the shard stands
database one interrupted
start_step
kill -INT "$STEP_PID"
status=0
wait "$STEP_PID" || status=$?
release_lock
check 'ended by the signal' same "$status" 130
check 'says where it stands' contains "$(cat "$T/step.err")" 'the shard stands at 001_first'
check 'rolled back' same "$(rows)" 001_first

# --- Ctrl-C in COMMIT is too late: it is waited for
database one interrupted_in_commit
start_commit
kill -INT "$STEP_PID"
end_sync
status=0
wait "$STEP_PID" || status=$?
check 'the step counts' same "$status|$(rows)|$(succeeded)" '0|002_wait|1'

# --- a stale writer: claimed by somebody else in the middle of a run
database one fenced
expect_exit 0 pgtide upgrade 001_first
sql "CREATE FUNCTION steal() RETURNS void LANGUAGE sql AS 'UPDATE pgtide.shard SET fence = fence + 1'"
revision 002_wait 001_first 'SELECT steal();' 'SELECT 1;'
expect_exit 1 pgtide upgrade 002_wait
check 'nothing of it stays' same "$(rows)" 001_first
