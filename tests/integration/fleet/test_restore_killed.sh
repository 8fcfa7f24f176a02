#!/usr/bin/env bash
# The agent, or the coordinator, dies while a restore waits to swap, and just when it has swapped: the shard is the old
# database or the new one, open and whole, and who comes back brings it to the same end, once.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin restore_killed
fleet_cluster one eu 4 1
sql one postgres 'ALTER ROLE pgtide_agent CREATEDB; GRANT pg_signal_backend TO pgtide_agent'
fleet_keys one
FLEET_HEARTBEAT=100ms FLEET_SILENCE_DEADLINE=20s FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 60 'all shards reported' fleet_has_shards 4
project small
revision 001_notes '' 'CREATE TABLE notes (id int PRIMARY KEY, body text);
INSERT INTO notes SELECT i, md5(i::text) FROM generate_series(1, 100) i;' 'DROP TABLE notes;'
bundle first
cat >"$PROJECT/versions/002_forget.sql" <<'SQL'
-- revision: 002_forget
-- revises: 001_notes
-- message: forget the bodies
-- irreversible: the bodies are gone

-- +upgrade
ALTER TABLE notes DROP COLUMN body;
SQL
bundle second
rollout_yaml "$T/first.yaml" first "$T/first.bundle"
started first
wait_for 60 'the first rollout' is_state first succeeded
rollout_yaml "$T/second.yaml" second "$T/second.bundle" 'backup: {method: dump, compress: 1, verify: true, keep: 3}'
started second
wait_for 90 'the second rollout' is_state second succeeded

begin() { # DATABASE
    rm -f "$T/restore.plan"
    alice backup restore "one/$1" -o "$T/restore.plan" >/dev/null
    bob rollout approve "$T/restore.plan" >/dev/null
    alice rollout start "$T/restore.plan" >/dev/null
}
ended() { # DATABASE
    wait_for 120 "$1: the restore to be over" is_over second-restore
    check "$1: it succeeded" same "$(state second-restore)" succeeded
    check "$1: at the rows before" same "$(rows one "$1")" 001_notes
    check "$1: with all that was there" same "$(sql one "$1" "SELECT count(*) || '/' || count(DISTINCT body) FROM notes")" 100/100
    check "$1: restored once" same "$(sql one "$1" "SELECT count(*) FROM pgtide.history WHERE direction = 'restore'")" 1
    check "$1: one former database" same "$(sql one postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide\\_old\\_%$1'")" 1
    check "$1: nothing else is left" same "$(sql one postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide\\_new\\_%'")" 0
}

hold_writer() { # DATABASE: whose swap waits until let_writer_go
    mkfifo "$T/writer"
    PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U "$FLEET_ROLE" -d "$1" <"$T/writer" >/dev/null 2>&1 & # may be ended
    writer=$!
    PIDS+=("$writer")
    exec 8>"$T/writer"
    echo 'BEGIN; LOCK TABLE notes IN ROW EXCLUSIVE MODE;' >&8
}
let_writer_go() {
    printf 'ROLLBACK;\n\\q\n' >&8 # other children may still have the pipe open
    exec 8>&-
    wait "$writer" || true
    rm "$T/writer"
}
waits() { [ "$(sql one "$1" "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareLock' AND relation = 'notes'::regclass")" = 1 ]; }
swapped() { [ "$(grep -c event=restore.swapped "$T/agent-one/agent.log")" = "$1" ]; }

# --- before the swap: a writer holds it up
hold_writer tenant_0001
begin tenant_0001
wait_for 60 'the swap to wait for the writer' waits tenant_0001
fleet_agent_stop one KILL
check 'the old database is there, open' same "$(rows one tenant_0001)" 002_forget
check 'what was restored is beside it' same "$(sql one postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide\\_new\\_%'")" 1
let_writer_go
fleet_agent_start one
ended tenant_0001

# --- when it has swapped, before anybody has heard of it
begin tenant_0002
wait_for 60 'the swap' swapped 2
fleet_agent_stop one KILL
check 'the new database is there, open' same "$(rows one tenant_0002)" 001_notes
fleet_agent_start one
ended tenant_0002

# --- the coordinator, at the same moments
hold_writer tenant_0003
begin tenant_0003
wait_for 60 'the swap to wait for the writer' waits tenant_0003
fleet_coordinator_stop KILL
fleet_coordinator_start
let_writer_go
ended tenant_0003

begin tenant_0004
wait_for 60 'the swap' swapped 4
fleet_coordinator_stop KILL
check 'the new database is there, without a coordinator' same "$(rows one tenant_0004)" 001_notes
fleet_coordinator_start
ended tenant_0004
