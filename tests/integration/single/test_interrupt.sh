#!/usr/bin/env bash
# Ctrl-C and SIGTERM, once and twice, at every place where a run can wait: for the server to take the connection, for
# another run, for a step, for COMMIT; with servers that answer, and servers that are frozen.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin interrupt
cluster_start one synchronous_standby_names=nobody synchronous_commit=local
project small
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SET LOCAL synchronous_commit = on;
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'

start() { # ARGUMENTS: runs pgtide in the background
    "$BIN/pgtide" "$@" >"$T/run.out" 2>"$T/run.err" &
    RUN_PID=$!
    PIDS+=("$RUN_PID")
}
ends_with() { # STATUS
    local status=0
    wait "$RUN_PID" || status=$?
    same "$status" "$1"
}
says() { grep -q -- "$1" "$T/run.err"; }
backend() { sql "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'pgtide $(id -un)@%'"; }
is_gone() { [ -z "$(backend)" ]; }
freeze() { as_pg kill -STOP "$1"; }
thaw() { as_pg kill -CONT "$1"; }

# --- while another run is at work: nothing of it is disturbed
database one waiting
expect_exit 0 pgtide upgrade 001_first
hold_lock
start upgrade 002_wait --lock-timeout 60s
first=$RUN_PID
wait_for 10 'the first to reach its lock' step_waits
start upgrade 002_wait --wait 10m
wait_for 10 'the second to poll' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd waiting -c \"SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_try_advisory_lock%' AND application_name LIKE 'pgtide %'\") = 1 ]"
kill -INT "$RUN_PID"
check 'the second ends by the signal' ends_with 130
check 'and says that nothing was done' contains "$(cat "$T/run.err")" 'interrupted; nothing changed'
check 'the first is still at work' step_waits

# --- SIGTERM in a step: rolled back
RUN_PID=$first
kill -TERM "$RUN_PID"
check 'ended by SIGTERM' ends_with 143
release_lock
check 'rolled back' same "$(rows)|$(sql "SELECT to_regclass('second')")" '001_first|'
check 'recorded as failed' same "$(sql "SELECT outcome FROM pgtide.history ORDER BY seq DESC LIMIT 1")" failed

# --- a frozen backend in a step: the second signal ends the wait, and the outcome is certain all the same
database one frozen_step
expect_exit 0 pgtide upgrade 001_first
hold_lock
start upgrade 002_wait --lock-timeout 60s
wait_for 10 'the step to reach its lock' step_waits
pid=$(backend)
freeze "$pid"
kill -INT "$RUN_PID"
wait_for 10 'the first signal to be heard' says 'a second signal'
check 'it still waits' kill -0 "$RUN_PID"
kill -INT "$RUN_PID"
check 'ended by the signal' ends_with 130
check 'says what is certain' contains "$(cat "$T/run.err")" 'it was not told to commit 002_wait, and rolls it back'
check 'and where it stands' contains "$(cat "$T/run.err")" '0 of 1 steps done; the shard stands at 001_first'
thaw "$pid"
release_lock
wait_for 20 'the backend to notice' is_gone
check 'rolled back' same "$(rows)" 001_first

# --- COMMIT that is not answered: the first signal waits for it, the second gives up, and what is not known is said
database one hanging_commit
expect_exit 0 pgtide upgrade 001_first
start upgrade 002_wait
wait_for 10 'COMMIT to wait' step_commits
pid=$(backend)
kill -INT "$RUN_PID"
wait_for 10 'the first signal to be heard' says 'a second signal'
check 'it still waits' kill -0 "$RUN_PID"
kill -INT "$RUN_PID"
check 'not known' ends_with 4
check 'says what' contains "$(cat "$T/run.err")" 'whether 002_wait happened is not known'
check 'and what to do' contains "$(cat "$T/run.err")" 'pgtide current'
check 'no place is claimed' same "$(grep -c 'stands at' "$T/run.err" || true)" 0
sql "ALTER SYSTEM SET synchronous_standby_names = ''"
sql 'SELECT pg_reload_conf()' >/dev/null
wait_for 20 'the backend to end' is_gone
expect_exit 0 pgtide current
check 'read: it had happened' same "$(cat "$T/out")" 002_wait

# --- a step outside of a transaction: what is built is not known to be there
cat >"$PROJECT/versions/002_wait.sql" <<'SQL'
-- revision: 002_wait
-- revises: 001_first
-- transaction: none
-- +upgrade
CREATE INDEX CONCURRENTLY first_again ON first (id);
-- +downgrade
DROP INDEX CONCURRENTLY first_again;
SQL
database one frozen_unit
expect_exit 0 pgtide upgrade 001_first
mkfifo "$T/reader"
cluster_psql one frozen_unit <"$T/reader" >/dev/null &
PIDS+=("$!")
exec 8>"$T/reader"
echo "BEGIN; INSERT INTO first VALUES (1);" >&8
wait_for 10 'a transaction that the index waits for' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd frozen_unit -c \"SELECT count(*) FROM pg_locks WHERE relation = 'first'::regclass\") = 1 ]"
start upgrade 002_wait
wait_for 10 'the index to be in the making' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd frozen_unit -c \"SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX%' AND wait_event_type = 'Lock'\") = 1 ]"
pid=$(backend)
freeze "$pid"
kill -INT "$RUN_PID"
wait_for 10 'the first signal to be heard' says 'a second signal'
kill -INT "$RUN_PID"
check 'not known' ends_with 4
thaw "$pid"
echo '\q' >&8
exec 8>&-
wait_for 20 'the backend to end' is_gone
expect_exit 0 pgtide upgrade
check 'the next run builds it anew or finds it' same "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'first_again'::regclass")|$(rows)" 't|003_last'

# --- a server that does not even answer a connection
postmaster=$(head -n 1 "$T/one/data/postmaster.pid")
database one unanswered
freeze "$postmaster"
start upgrade
wait_for 10 'it to connect' sh -c "ls -l /proc/$RUN_PID/fd | grep -q socket"
kill -INT "$RUN_PID"
check 'once is enough' ends_with 130
check 'nothing was started' contains "$(cat "$T/run.err")" 'interrupted; nothing was started'
# with --urls too
printf 'a host=%s/one/socket user=postgres dbname=unanswered\nb host=%s/one/socket user=postgres dbname=unanswered\n' "$T" "$T" >"$T/urls"
start upgrade --urls "$T/urls" --jobs 1
wait_for 10 'it to connect' sh -c "ls -l /proc/$RUN_PID/fd | grep -q socket"
kill -TERM "$RUN_PID"
check 'ended by the signal' ends_with 143
check 'says what was not started' contains "$(cat "$T/run.out")" 'not started: b'
thaw "$postmaster"
check 'nothing was done' same "$(rows)" ''
