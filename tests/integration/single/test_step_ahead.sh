#!/usr/bin/env bash
# A step's transaction is opened in the round trip that reads what the one before has left. What goes wrong with it says
# nothing of the step that is done, and leaves nothing of it behind.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin step-ahead
cluster_start one
project small
cat >"$PROJECT/versions/002_wait.sql" <<'SQL'
-- revision: 002_wait
-- revises: 001_first
-- lock-timeout: 60s
-- +upgrade
SET application_name = 'leaked';
CREATE TABLE second (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);
-- +downgrade
DROP TABLE second;
SQL
cat >"$PGTIDE_CONFIG" <<'YAML'
versions: versions
hooks:
  after-run:
    - sql: CREATE TABLE seen AS SELECT current_setting('application_name') AS name
YAML

begin_upgrade() { # OPTIONS...
    "$BIN/pgtide" upgrade "$@" >"$T/step.out" 2>"$T/step.err" &
    STEP_PID=$!
    PIDS+=("$STEP_PID")
    wait_for 10 'the step to wait' step_waits
}
end_upgrade() {
    status=0
    wait "$STEP_PID" || status=$?
}
holder_waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'alembic_version'::regclass AND NOT granted")" = 1 ]; }

# --- somebody else has the version table behind the second step's COMMIT
database one busy
hold_lock
begin_upgrade --lock-timeout 300ms
mkfifo "$T/holder"
cluster_psql one busy <"$T/holder" >/dev/null 2>&1 &
HOLDER_PID=$!
PIDS+=("$HOLDER_PID")
exec 8>"$T/holder"
echo 'BEGIN; LOCK TABLE alembic_version IN ROW EXCLUSIVE MODE;' >&8
wait_for 10 'the other to wait' holder_waits
release_lock
end_upgrade
check 'busy, and told how far it is' same "$status|$(grep -c '2 of 3 steps done; the shard stands at 002_wait' "$T/step.err")" '6|1'
check 'the second step was reported' contains "$(cat "$T/step.out")" 'upgrade 002_wait'
check 'its settings are not there for the hook' same "$(sql 'SELECT name LIKE $$pgtide%$$ FROM seen')" t
echo 'COMMIT;' >&8
exec 8>&-
wait "$HOLDER_PID"
sql 'DROP TABLE seen'
expect_exit 0 pgtide upgrade
check 'it goes on' same "$(rows)|$(history | grep -c succeeded)" '003_last|3'

# --- somebody else has claimed the shard meanwhile
database one fenced
hold_lock
begin_upgrade
cluster_psql one fenced -c 'BEGIN; LOCK TABLE alembic_version IN ROW EXCLUSIVE MODE;
    UPDATE pgtide.shard SET fence = fence + 1; COMMIT' &
FENCER_PID=$!
wait_for 10 'the other to wait, ahead of the third step' holder_waits
release_lock
end_upgrade
wait "$FENCER_PID"
check 'the second step stays, the third is refused' same "$(rows)|$(sql "SELECT to_regclass('third') IS NULL")" '002_wait|t'
check 'it says so' contains "$(cat "$T/step.err")" 'somebody else has claimed the shard since'

# --- another tool moves the shard right behind the second step
database one moved
hold_lock
begin_upgrade
cluster_psql one moved -c "UPDATE alembic_version SET version_num = '001_first'" &
MOVER_PID=$!
wait_for 10 'the other to wait' holder_waits
release_lock
end_upgrade
wait "$MOVER_PID"
check 'nothing ran on it' same "$(rows)|$(sql "SELECT to_regclass('third') IS NULL")" '001_first|t'

# --- told to stop while the next one waits
database one stopped
hold_lock
begin_upgrade --lock-timeout 60s
exec 8> >(exec "$PG_BIN/psql" -XAtq -h "$T/one/socket" -U postgres stopped >/dev/null 2>&1)
echo 'BEGIN; LOCK TABLE alembic_version IN ROW EXCLUSIVE MODE;' >&8
wait_for 10 'the other to wait' holder_waits
release_lock
wait_for 10 'the third step to wait' holder_waits
kill -INT "$STEP_PID"
end_upgrade
exec 8>&-
check 'interrupted behind the second' same "$status|$(rows)" '130|002_wait'

# --- a long history is read once to see what is applied, not at every step
database one long
echo 'versions: versions' >"$PGTIDE_CONFIG"
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'
expect_exit 0 pgtide upgrade
sql "INSERT INTO pgtide.history (schema_name, operation, revision, direction, rows_before, rows_after, outcome)
    SELECT '', decode(md5(n::text), 'hex'), '001_first', 'upgrade', '{}', '{003_last}', 'succeeded'
    FROM generate_series(1, 20000) n"
history_read() {
    sql "SELECT seq_tup_read + (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'history')
        FROM pg_stat_user_tables WHERE relname = 'history'"
}
read_by() { # COMMAND...: rows of the history that it read
    local before
    before=$(history_read)
    "$@" >/dev/null
    wait_for 10 'its session to end' no_sessions
    echo $(($(history_read) - before))
}
no_sessions() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'")" = 0 ]; }
whole=$(sql 'SELECT count(*) FROM pgtide.history')
for command in 'downgrade -1' 'downgrade base' upgrade; do
    # twice: which revisions are applied, and with which text
    check "$command reads no more" test "$(read_by pgtide $command)" -le $((2 * whole + 100))
done
