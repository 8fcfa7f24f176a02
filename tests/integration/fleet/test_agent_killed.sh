#!/usr/bin/env bash
# The agent dies or freezes in the middle of a step and in its COMMIT: each time what happened is learned from the
# shard, happens once, and the rollout goes on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin agent_killed
fleet_cluster one eu 6 1
# Only a step that asks for it waits for its replication, to a standby that never comes; it asks in databases where
# slow.commit is on.
for setting in 'synchronous_commit = local' 'synchronous_standby_names = nobody'; do
    sql one postgres "ALTER SYSTEM SET $setting"
done
sql one postgres 'SELECT pg_reload_conf()' >/dev/null
fleet_keys one
FLEET_HEARTBEAT=100ms FLEET_SILENCE_DEADLINE=1s FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 6
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SELECT set_config($$synchronous_commit$$, $$on$$, true) WHERE current_setting($$slow.commit$$, true) = $$on$$;
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'
revision 003_last 002_wait 'CREATE TABLE third (id int PRIMARY KEY);' 'DROP TABLE third;'
bundle small

for database in tenant_0002 tenant_0005 tenant_0006; do
    sql one postgres "ALTER DATABASE $database SET slow.commit = on"
done

# A rollout over one tenant: its name is its database.
begin() { # DATABASE LINE…
    local database=$1
    shift
    rollout_yaml "$T/${database//_/-}.yaml" "${database//_/-}" "$T/small.bundle" "select: database = $database" \
        'locks: {timeout: 60s, attempts: 3}' "$@"
    hold_lock one "$database"
    started "${database//_/-}"
    wait_for 20 'the step to reach its lock' waits_for_lock one "$database"
}
wait_succeeded() { # DATABASE
    wait_for 30 "$1: the rollout to be over" is_over "${1//_/-}"
    check "$1: the rollout succeeded" same "$(state "${1//_/-}")" succeeded
    check "$1: at the head" same "$(rows one "$1")" 003_last
    check "$1: each step once" same "$(history one "$1")" \
        'upgrade:succeeded:001_first upgrade:succeeded:002_wait upgrade:succeeded:003_last'
    check "$1: each operation once" same "$(done_once one "$1")" 3/3
}
commits() { # DATABASE
    [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = '$1'")" = 1 ]
}
backend() { sql one postgres "SELECT pid FROM pg_stat_activity WHERE datname = '$1' AND wait_event_type = 'Lock' AND wait_event = 'advisory'"; }
another_waits() { local pid; pid=$(backend "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ]; }
agent_state() { alice fleet agents --json | json "d['result']['agents'][0]['connected']"; }
agent_is() { [ "$(agent_state)" = "$1" ]; }

# --- kill -9 in the middle of the step
begin tenant_0001
orphan=$(backend tenant_0001)
fleet_agent_stop one KILL
check 'nothing of the step is there' same "$(rows one tenant_0001)" 001_first
fleet_agent_start one
wait_for 20 'the step to be tried again' another_waits tenant_0001 "$orphan"
check 'its orphan is gone' same "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE pid = $orphan")" 0
release_lock
wait_succeeded tenant_0001

# --- kill -9 while COMMIT is in flight: it happened, and is not repeated
begin tenant_0002
release_lock
wait_for 10 'COMMIT to wait' commits tenant_0002
fleet_agent_stop one KILL
check 'nobody sees it yet' same "$(rows one tenant_0002)" 001_first
check 'the rollout goes on' same "$(state tenant-0002)" running
fleet_agent_start one
wait_succeeded tenant_0002

# --- frozen in the middle of the step: down, but not a failure yet; then it goes on where it was
begin tenant_0003 'unknown-deadline: 1h'
kill -STOP "${FLEET_PID[one]}"
wait_for 20 'the agent to count as down' agent_is false
check 'still running' same "$(state tenant-0003)" running
check 'no failure' same "$(progress tenant-0003 failures)" 0
expect_exit 1 "$BIN/pgtide_shard_probe" "$(cluster_url one tenant_0003)" claim 0 0
check 'who else comes hears of it' contains "$(cat "$T/out")" 'claim: BUSY pgtide-agent one@'
release_lock
kill -CONT "${FLEET_PID[one]}"
wait_succeeded tenant_0003

# --- frozen beyond unknown-deadline: counts against the budget, which stops the rollout; nothing is lost or repeated
begin tenant_0004 'unknown-deadline: 1s'
kill -STOP "${FLEET_PID[one]}"
wait_for 20 'the rollout to stop' is_state tenant-0004 halted
check 'one failure' same "$(progress tenant-0004 failures)" 1
check 'the shard is unknown' same "$(shard_field tenant-0004 one/tenant_0004 state)" unknown
kill -CONT "${FLEET_PID[one]}"
wait_for 20 'the agent to be told to stop' grep -q event=rollout.stop "$T/agent-one/agent.log"
release_lock
wait_for 20 'what became of it to be known' shard_is tenant-0004 one/tenant_0004 in_flight false
check 'the step in hand was finished, none was begun' same "$(history one tenant_0004)" \
    'upgrade:succeeded:001_first upgrade:succeeded:002_wait'
check 'stands there' same "$(rows one tenant_0004)" 002_wait
check 'and stays halted' same "$(state tenant-0004)" halted

# --- frozen in COMMIT within the budget: learned, and the rollout succeeds
begin tenant_0005 'unknown-deadline: 1s' 'budget: {wave: 1, fleet: 1}'
release_lock
wait_for 10 'COMMIT to wait' commits tenant_0005
kill -STOP "${FLEET_PID[one]}"
wait_for 20 'the shard to count as failed' shard_is tenant-0005 one/tenant_0005 overdue true
check 'within the budget' same "$(progress tenant-0005 failures)" 1
sql one postgres "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" >/dev/null
kill -CONT "${FLEET_PID[one]}"
wait_succeeded tenant_0005

# --- told to end in the middle of a step: it finishes the step first
begin tenant_0006
kill -TERM "${FLEET_PID[one]}"
wait_for 10 'the agent to stop' grep -q event=agent.stopping "$T/agent-one/agent.log"
release_lock
wait_for 10 'COMMIT to wait' commits tenant_0006
sql one postgres "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'" >/dev/null
wait "${FLEET_PID[one]}" || true
check 'the step in hand was finished, none was begun' same "$(history one tenant_0006)" \
    'upgrade:succeeded:001_first upgrade:succeeded:002_wait'
fleet_agent_start one
wait_succeeded tenant_0006
