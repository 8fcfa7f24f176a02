#!/usr/bin/env bash
# The drill of docs/operations.md: the coordinator's state is copied, a rollout goes on, the coordinator is lost, the old
# copy is put in its place. It is read-only until an operator takes over; then the shards' own rows tell where they
# stand, and no step runs twice.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin drill
fleet_cluster one eu 3 1
fleet_keys one
FLEET_AGENT_DEADLINE=30s fleet_coordinator
fleet_agent one one eu
wait_for 60 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle before
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'
bundle after
rollout_yaml "$T/first.yaml" first "$T/before.bundle"
started first
wait_for 90 'the first rollout is over' is_over first

# --- the copy, as the page says: stopped; journal and blobs
fleet_coordinator_stop
cp -a "$T/coordinator/state" "$T/copy"
fleet_coordinator_start

# --- what it does not know of: a rollout that has changed one shard and is at work on the next
wait_for 60 'the agent is back' fleet_has_shards 3
rollout_yaml "$T/lost.yaml" lost "$T/after.bundle" 'waves: [1, rest]' 'order: inventory' \
    'concurrency: {fleet: 1}' 'locks: {timeout: 60s, attempts: 3}'
hold_lock one tenant_0002
started lost
wait_for 90 'the first shard is done' shard_is lost one/tenant_0001 state current
wait_for 90 'the second is at its lock' waits_for_lock one tenant_0002
fleet_coordinator_stop KILL
rm -rf "$T/coordinator/state"
cp -a "$T/copy" "$T/coordinator/state"

# --- it counts the same epoch as the lost one did, and is read-only
fleet_coordinator_start
read_only() { alice fleet status --json | json "d['result']['coordinator']['$1']"; }
is_read_only() { [ "$(read_only read_only)" = true ]; }
wait_for 60 'it is read-only' is_read_only
check 'and says why' contains "$(read_only read_only_reason)" 'agent one has served epoch'
expect_error 5 STATE 'take-over-from' alice fleet brake on --reason 'is it dead?'
expect_error 5 STATE 'take-over-from' alice rollout plan "$T/lost.yaml" -o "$T/no.plan"
check 'the lost rollout is not known' same "$(alice rollout list --json | json "[r['name'] for r in d['result']['rollouts']]")" "['first']"
epoch=$(read_only epoch)
release_lock

# --- an operator takes over, once
fleet_coordinator_stop
"$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml" --take-over-from "$epoch" >>"$T/coordinator/coordinator.log" 2>&1 &
FLEET_PID[coordinator]=$!
PIDS+=($!)
wait_for 60 'all shards reported' fleet_has_shards 3
check 'it decides again' same "$(read_only read_only)" false

# --- the shards' own rows are the truth: what is done stays done
stands() { [ "$(rows one tenant_0001) $(rows one tenant_0002) $(rows one tenant_0003)" = "$1" ]; }
wait_for 60 'the step in hand has ended' stands '002_wait 002_wait 001_first'
knows() { [ "$(alice fleet shards --json --select 'rows = 002_wait' | json "len(d['result']['shards'])")" = "$1" ]; }
wait_for 60 'the coordinator has read them' knows 2
rollout_yaml "$T/again.yaml" again "$T/after.bundle"
plan again
check 'only the one is left' same "$(alice rollout status again --json | json "d['result']['progress']['total']")" 1
bob rollout approve "$T/again.plan" >/dev/null
alice rollout start "$T/again.plan" >/dev/null
wait_for 90 'it is over' is_over again
check 'it has succeeded' same "$(state again)" succeeded
for database in tenant_0001 tenant_0002 tenant_0003; do
    check "$database: each step once" same "$(history one "$database")" 'upgrade:succeeded:001_first upgrade:succeeded:002_wait'
done
