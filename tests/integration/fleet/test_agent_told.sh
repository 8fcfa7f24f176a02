#!/usr/bin/env bash
# What an agent is told in the middle of a step: of a new coordinator, it begins no further step for the former one; of
# a new trust file, what it works on goes on under its plan, and an order that comes again is answered, not refused.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin agent_told
fleet_cluster one eu 2 1
fleet_keys one
FLEET_HEARTBEAT=100ms FLEET_SILENCE_DEADLINE=60s FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_wait 001_first 'SELECT pg_advisory_xact_lock(42);' 'SELECT 1;'
revision 003_last 002_wait 'CREATE TABLE third (id int PRIMARY KEY);' 'DROP TABLE third;'
bundle small

begin() { # DATABASE
    rollout_yaml "$T/${1//_/-}.yaml" "${1//_/-}" "$T/small.bundle" "select: database = $1" \
        'locks: {timeout: 60s, attempts: 3}'
    hold_lock one "$1"
    started "${1//_/-}"
    wait_for 20 'the step to reach its lock' waits_for_lock one "$1"
}
logged() { grep -c "$1" "$T/agent-one/agent.log" || true; }
logged_times() { [ "$(logged "$1")" -ge "$2" ]; }
agent_is() { [ "$(alice fleet agents --json | json "d['result']['agents'][0]['connected']")" = "$1" ]; }
# Away for longer than the coordinator waits: it repeats its orders when the agent is back.
agent_naps() {
    kill -STOP "${FLEET_PID[one]}"
    wait_for 20 'the agent to count as down' agent_is false
    kill -CONT "${FLEET_PID[one]}"
    wait_for 20 'the agent to be back' agent_is true
}

# --- a new coordinator, which is gone again before the step is over
begin tenant_0001
epochs=$(logged epoch.raised)
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 20 'the agent to follow the new coordinator' logged_times epoch.raised $((epochs + 1))
wait_for 20 'the agent to be back' agent_is true
kill -STOP "${FLEET_PID[coordinator]}"
release_lock
wait_for 20 'the job to end' logged_times 'job.ended.*database=tenant_0001' 1
check 'the step in hand was finished, none was begun' same "$(history one tenant_0001)" \
    'upgrade:succeeded:001_first upgrade:succeeded:002_wait'
kill -CONT "${FLEET_PID[coordinator]}"
wait_for 30 'the rollout to be over' is_over tenant-0001
check 'the new coordinator had it go on' same "$(state tenant-0001)" succeeded
check 'each operation once' same "$(done_once one tenant_0001)" 3/3

# --- another trust file, in which bob, who approved, is nobody
begin tenant_0002
"$BIN/pgtide" key new carol --dir "$T/bob" >/dev/null
cp "$T/trust" "$T/trust.former"
"$BIN/pgtide" trust init --replaces "$T/trust.former" --root "$T/root/root.pub" --root-threshold 1 \
    --release "$T/release/release.pub" --release-threshold 1 \
    --operator "$T/alice/alice.pub=admin" --operator "$T/bob/carol.pub=approver" \
    --coordinator "$T/coordinator/coordinator.pub" \
    --sign "$T/root/root.key" -o "$T/trust.next" >/dev/null
mv "$T/trust.next" "$T/trust"
kill -HUP "${FLEET_PID[one]}"
wait_for 10 'the trust file to be read anew' logged_times trust.reloaded 1
agent_naps
check 'the job in hand is not called refused' same "$(state tenant-0002)" running
release_lock
wait_for 30 'the rollout to be over' is_over tenant-0002
check 'it succeeded' same "$(state tenant-0002)" succeeded
check 'each operation once' same "$(done_once one tenant_0002)" 3/3
# The ledger knows the job under its plan: it was closed.
fleet_agent_stop one
fleet_agent_start one
wait_for 20 'the agent to be back' logged_times agent.started 2
check 'no job is left open in the ledger' contains "$(grep agent.started "$T/agent-one/agent.log" | tail -n 1)" 'open_jobs=0'
