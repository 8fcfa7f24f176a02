#!/usr/bin/env bash
# Gates that agents look at: SQL on each migrated shard with all four verdicts, replica lag with a real standby, load with
# real sessions; without rights, with an agent that is away, and with SQL that would change something.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin gates_agents
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
all_rows() { local d; for d in $(fleet_databases one); do echo "$(rows one "$d")"; done | paste -sd' '; }
back() { # NAME: what NAME did is taken back by a rollout without gates
    rollout_yaml "$T/$1-undo.yaml" "$1-undo" "$T/small.bundle" 'downgrade: base'
    started "$1-undo"
    wait_for 30 'all to be taken back' is_over "$1-undo"
    check 'taken back' same "$(all_rows)" '  '
}
gate() { # NAME GATE LINE…: a rollout of two waves with it
    rollout_yaml "$T/$1.yaml" "$1" "$T/small.bundle" 'waves: [1, rest]' "gates: [{name: look, $2, interval: 100ms}]" "${@:3}"
    started "$1"
}

# --- wrong gates
wrong() { # WORDS GATE
    rollout_yaml "$T/wrong.yaml" wrong "$T/small.bundle" "gates: [{name: wrong, $2}]"
    expect_exit 2 alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "$2" contains "$(cat "$T/err")" "$1"
}
wrong 'needs one of' 'sql: SELECT true, lag-max: 5s'
wrong 'no SELECT' 'sql: DROP TABLE first'
wrong '2 statements' 'sql: SELECT true; SELECT true'
wrong 'syntax error' 'sql: SELECT count( FROM users'
wrong 'below `timeout`' 'lag-max: 5s, timeout: 5s'

# --- true on every shard
gate true 'sql: SELECT count(*) = 0 FROM first, when: [before, during, after]'
wait_for 30 'a missing table to be inconclusive in the end' is_state true paused
check 'what the server said' contains "$(state true reason)" 'relation "first" does not exist'
check 'of which shard' contains "$(state true reason)" 'one/tenant_000'
check 'nothing was begun' same "$(all_rows)" '  '
expect_exit 0 alice rollout abort true
wait_for 20 'it to be over' is_over true
gate fine 'sql: SELECT count(*) = 0 FROM first, when: [during, after]'
wait_for 30 'the rollout to be over' is_over fine
check 'succeeded' same "$(state fine) $(all_rows)" 'succeeded 001_first 001_first 001_first'
back fine

# --- false on one of them stops it and takes its wave back
gate false "sql: SELECT current_database() <> 'tenant_0003'" 'on-failure: rollback-wave'
wait_for 30 'the rollout to be over' is_over false
check 'stopped by its gate' same "$(state false) $(state false reason)" \
    "rolled-back gate 'look' failed: one/tenant_0003: the query is false"
check 'the first wave stays' same "$(all_rows)" '001_first  '
back false

# --- NULL and no row can't tell
gate empty 'sql: SELECT NULL::bool'
wait_for 20 'it to pause' is_state empty paused
check 'why' same "$(state empty reason)" "gate 'look' is inconclusive: one/tenant_0001: the query is NULL"
expect_exit 0 alice rollout abort empty
wait_for 20 'it to be over' is_over empty
back empty

# --- it can't write, whatever it calls
sql one tenant_0001 "CREATE FUNCTION public.sneak() RETURNS bool LANGUAGE plpgsql AS 'BEGIN CREATE TABLE public.stolen (); RETURN true; END'"
gate sneaky 'sql: SELECT public.sneak(), attempts: 2'
wait_for 20 'it to pause' is_state sneaky paused
check 'read-only' contains "$(state sneaky reason)" 'read-only transaction'
check 'nothing was made' same "$(sql one tenant_0001 "SELECT to_regclass('public.stolen') IS NULL")" t
expect_exit 0 alice rollout abort sneaky
wait_for 20 'it to be over' is_over sneaky
back sneaky

# --- a statement that takes too long
gate slow 'sql: SELECT pg_sleep(60) IS NOT NULL, timeout: 2s, attempts: 1'
wait_for 20 'it to pause' is_state slow paused
check 'too slow' contains "$(state slow reason)" 'one/tenant_0001: canceling statement due to statement timeout'
expect_exit 0 alice rollout abort slow
wait_for 20 'it to be over' is_over slow
back slow

# --- lag and load need the right to see others
gate blind 'active-max: 5, waiting-max: 1, when: [before], attempts: 1'
wait_for 20 'it to pause' is_state blind paused
check 'what is to be granted' contains "$(state blind reason)" "cluster one: role $FLEET_ROLE may not see other sessions: grant it pg_read_all_stats"
sql one postgres "GRANT pg_monitor TO $FLEET_ROLE"
expect_exit 0 alice rollout resume blind
wait_for 30 'the rollout to be over' is_over blind
check 'succeeded' same "$(state blind)" succeeded
back blind

# --- load: a session that waits for a lock
hold_lock one tenant_0002
PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U postgres -d tenant_0002 -c 'SELECT pg_advisory_lock(42)' >/dev/null 2>&1 &
PIDS+=($!)
wait_for 10 'somebody to wait' waits_for_lock one tenant_0002
gate loaded 'waiting-max: 0, when: [before]'
wait_for 20 'it to stop' is_over loaded
check 'who waits' same "$(state loaded) $(state loaded reason)" \
    "halted gate 'look' failed: cluster one: 1 sessions wait for locks, at most 0 may"
release_lock
check 'nothing was begun' same "$(all_rows)" '  '
expect_exit 0 alice rollout abort loaded

# --- lag: no replica, one that keeps up, one that stands still, one that is gone
gate alone 'lag-max: 1s'
wait_for 30 'the rollout to be over' is_over alone
check 'no replicas are no lag' same "$(state alone)" succeeded
back alone
mkdir -p "$T/copy/socket"
[ "$(id -u)" -ne 0 ] || chown -R "$PG_USER" "$T/copy"
as_pg "$PG_BIN/pg_basebackup" -h "$T/one/socket" -U postgres -D "$T/copy/data" -R --checkpoint=fast -X stream -C -S copy >/dev/null
printf "unix_socket_directories = '%s'\ncluster_name = 'copy'\n" "$T/copy/socket" | as_pg tee -a "$T/copy/data/postgresql.conf" >/dev/null
CLUSTERS+=(copy)
cluster_up copy
streams() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")" = 1 ]; }
wait_for 30 'the standby to stream' streams
gate kept 'lag-max: 10s, when: [before, after]'
wait_for 60 'the rollout to be over' is_over kept
check 'succeeded' same "$(state kept)" succeeded
back kept
cluster_psql copy postgres -c 'SELECT pg_wal_replay_pause()' >/dev/null
gate late 'lag-max: 300ms' 'on-failure: rollback-wave'
wait_for 30 'the rollout to be over' is_over late
check 'stopped by it' same "$(state late) $(all_rows)" 'rolled-back   '
check 'which replica' contains "$(state late reason)" "gate 'look' failed: cluster one: replica copy is more than"
cluster_psql copy postgres -c 'SELECT pg_wal_replay_resume()' >/dev/null
cluster_stop copy
gate lost 'lag-max: 10s'
wait_for 30 'it to pause' is_state lost paused
check 'which slot' same "$(state lost reason)" "gate 'look' is inconclusive: cluster one: no replica is connected to its slot copy"
sql one postgres "SELECT pg_drop_replication_slot('copy')" >/dev/null
expect_exit 0 alice rollout resume lost
wait_for 30 'it to wait for its last wave, or to be over' is_over lost
check 'succeeded' same "$(state lost)" succeeded
back lost

# --- an agent that is away is an error, never a success; when it is back in time it is asked again
sleeps() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep($1)%'")" != 0 ]; }
gate away 'sql: SELECT pg_sleep(9) IS NOT NULL, timeout: 60s, attempts: 1, when: [before]'
wait_for 20 'the look to be at work' sleeps 9
fleet_agent_stop one KILL
fleet_agent_start one
wait_for 90 'the rollout to be over' is_over away
check 'succeeded' same "$(state away)" succeeded
back away
gate gone 'sql: SELECT pg_sleep(30) IS NOT NULL, timeout: 3s, attempts: 1, when: [before]'
wait_for 20 'the look to be at work' sleeps 30
fleet_agent_stop one KILL
wait_for 20 'it to pause' is_state gone paused
check 'who' contains "$(state gone reason)" 'agent one'
check 'nothing was begun' same "$(all_rows)" '  '
