#!/usr/bin/env bash
# A revision outside a transaction, rolled out: the agent and the server die in the middle of index builds, one shard's
# data is not fit for it; each statement happens once on each shard, and nothing is left behind.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin fleet_units
fleet_cluster one eu 4 1
fleet_keys one
FLEET_HEARTBEAT=100ms FLEET_SILENCE_DEADLINE=1s FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 4

none() { # as revision
    revision "$@"
    sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/$1.sql"
}
project small
revision 001_first '' 'CREATE TABLE msg (id int PRIMARY KEY, chan int);
INSERT INTO msg SELECT i, i FROM generate_series(1, 100) i;
CREATE TABLE other (); CREATE TABLE log (what text);' 'DROP TABLE msg, other, log;'
bundle first
none 002_index 001_first 'INSERT INTO log VALUES ($$once$$);
CREATE UNIQUE INDEX CONCURRENTLY msg_chan ON msg (chan);
BEGIN; INSERT INTO log VALUES ($$block$$); INSERT INTO log VALUES ($$block$$); COMMIT;' 'TRUNCATE log;
DROP INDEX CONCURRENTLY msg_chan;' 'SELECT count(*) = 3 FROM log'
revision 003_last 002_index 'CREATE TABLE last ();' 'DROP TABLE last;'
bundle small
rollout_yaml "$T/base.yaml" base "$T/first.bundle"
started base
wait_for 30 'the tables to be there' is_state base succeeded

# A session with a transaction open in DATABASE: what CREATE INDEX CONCURRENTLY waits for.
HOLDERS=0
hold() { # DATABASE SQL
    HOLDERS=$((HOLDERS + 1))
    mkfifo "$T/hold$HOLDERS"
    PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U postgres -d "$1" <"$T/hold$HOLDERS" >/dev/null 2>&1 &
    PIDS+=("$!")
    local fd
    exec {fd}>"$T/hold$HOLDERS"
    FDS+=("$fd")
    echo "SET application_name = 'holder'; BEGIN ISOLATION LEVEL REPEATABLE READ; $2;" >&"$fd"
    wait_for 10 'the holder to hold' holds "$1"
}
FDS=()
holds() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE datname = '$1' AND application_name = 'holder' AND state = 'idle in transaction'")" = 1 ]; }
let_go() {
    local fd
    for fd in "${FDS[@]}"; do
        echo '\q' >&"$fd" || true # the server may have ended it
        exec {fd}>&-
    done
    FDS=()
    wait_for 10 'the holders to be gone' nobody_holds
}
nobody_holds() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder'")" = 0 ]; }
snapshot='SELECT count(*) FROM other'
writer='UPDATE msg SET chan = chan WHERE id = 1'

builder() { sql one postgres "SELECT pid FROM pg_stat_activity WHERE datname = '$1' AND application_name LIKE 'pgtide%' AND wait_event_type = 'Lock' AND (query LIKE 'CREATE UNIQUE%' OR query LIKE 'DROP INDEX%')"; }
builds() { [ -n "$(builder "$1")" ]; }
another_builds() { local pid; pid=$(builder "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ]; }
indexes() { sql one "$1" "SELECT string_agg(c.relname || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END, ' ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = 'msg'::regclass"; }
is_whole() { # DATABASE: all statements happened once, nothing is left
    check "$1: one valid index" same "$(indexes "$1")" 'msg_chan msg_pkey'
    check "$1: each statement once" same "$(sql one "$1" 'SELECT string_agg(what, $$ $$ ORDER BY what) FROM log')" 'block block once'
    check "$1: at the head" same "$(rows one "$1")" 003_last
    check "$1: nothing left" same "$(sql one "$1" 'SELECT count(*) FROM pgtide.progress')" 0
}
begin() { # NAME SELECTION LINE…
    local name=$1 selection=$2
    shift 2
    rollout_yaml "$T/$name.yaml" "$name" "$T/small.bundle" "select: $selection" "$@"
    started "$name"
}

# --- the agent is killed while it builds on two shards, at two moments; a third is not held up
hold tenant_0001 "$snapshot"
hold tenant_0002 "$writer"
begin killed 'database in (tenant_0001, tenant_0002, tenant_0003)'
wait_for 20 'both to be built' builds tenant_0001
wait_for 20 'both to be built' builds tenant_0002
wait_for 20 'the third to be done' shard_is killed one/tenant_0003 state current
first=$(builder tenant_0001)
second=$(builder tenant_0002)
fleet_agent_stop one KILL
fleet_agent_start one
wait_for 30 'the first to be built again' another_builds tenant_0001 "$first"
wait_for 30 'the second to be built again' another_builds tenant_0002 "$second"
let_go
wait_for 30 'the rollout to be over' is_over killed
check 'it succeeded' same "$(state killed)" succeeded
for n in 1 2 3; do
    is_whole tenant_000$n
    check 'in the history once' same "$(history one tenant_000$n)" \
        'upgrade:succeeded:001_first upgrade:succeeded:002_index upgrade:succeeded:003_last'
done

# --- and back
alice rollout rollback killed -o "$T/back.plan" >/dev/null
bob rollout approve "$T/back.plan" >/dev/null
alice rollout start "$T/back.plan" >/dev/null
back=$(alice rollout list --json | json "[r for r in d['result']['rollouts'] if r['name'] != 'killed' and r['name'] != 'base'][0]['name']")
wait_for 30 'the rollback to be over' is_over "$back"
for n in 1 2 3; do
    check 'back' same "$(rows one tenant_000$n)|$(indexes tenant_000$n)" '001_first|msg_pkey'
done

# --- the server stops in the middle of a build
hold tenant_0001 "$snapshot"
begin stopped 'database = tenant_0001'
wait_for 20 'the index to be built' builds tenant_0001
cluster_restart one immediate
let_go
wait_for 60 'the rollout to be over' is_over stopped
check 'it succeeded' same "$(state stopped)" succeeded
is_whole tenant_0001

# --- data that it does not fit: the shard keeps what ran, and the next rollout goes on there
sql one tenant_0004 'UPDATE msg SET chan = 1 WHERE id < 3'
begin duplicates 'database = tenant_0004'
wait_for 30 'the rollout to be over' is_over duplicates
check 'it stopped' same "$(state duplicates)" halted
check 'nothing INVALID is left' same "$(indexes tenant_0004)|$(rows one tenant_0004)" 'msg_pkey|001_first'
check 'says which unit' contains "$(shard_field duplicates one/tenant_0004 message)" 'unit 2 of 3 (CREATE UNIQUE INDEX CONCURRENTLY msg_chan)'
sql one tenant_0004 'UPDATE msg SET chan = id'
alice rollout abort duplicates >/dev/null
begin again 'database = tenant_0004'
wait_for 30 'the rollout to be over' is_over again
check 'it succeeded' same "$(state again)" succeeded
is_whole tenant_0004
