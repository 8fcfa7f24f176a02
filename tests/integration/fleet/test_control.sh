#!/usr/bin/env bash
# What operators may say to a rollout, and when not: pause, resume, abort, approve, reject, roll back by a plan; and
# what happens when somebody goes around the fleet.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin control
fleet_cluster one eu 3 1
FLEET_APPROVERS=carol fleet_keys one
carol() { operator carol "$@"; }
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'
revision 003_last 002_wait 'CREATE TABLE third (id int PRIMARY KEY);' 'DROP TABLE third;'
bundle small
one_each=('waves: [1, 1, rest]' 'locks: {timeout: 60s, attempts: 3}')
all_rows() { local d; for d in $(fleet_databases one); do echo "$(rows one "$d")"; done | paste -sd' '; }
single() { PGTIDE_URL="postgresql://$FLEET_ROLE@/$1?host=$T/one/socket" "$BIN/pgtide" "${@:2}" --config "$PROJECT/pgtide.yaml"; }

# --- before it starts
rollout_yaml "$T/first.yaml" first "$T/small.bundle" "${one_each[@]}"
plan first
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/first.plan"
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/first.plan" --dry-run
expect_error 5 STATE 'not been started' alice rollout pause first
expect_exit 0 bob rollout approve "$T/first.plan"
expect_error 5 APPROVAL 'already' bob rollout approve "$T/first.plan"

# --- two approvals are two people's, neither of them the author
rollout_yaml "$T/two.yaml" two "$T/small.bundle" 'approvals: 2'
plan two
expect_error 5 APPROVAL 'author' alice rollout approve "$T/two.plan"
expect_exit 0 bob rollout approve "$T/two.plan"
expect_error 5 APPROVAL 'already' bob rollout approve "$T/two.plan"
expect_error 5 APPROVAL '1 of 2' alice rollout start two
check 'still a draft' same "$(state two)" draft
expect_exit 0 carol rollout approve "$T/two.plan"
check 'approved' same "$(state two)" approved

# --- pause in the middle of a step: the step ends, nothing else begins
hold_lock one tenant_0001
expect_exit 0 alice rollout start "$T/first.plan" --dry-run
check 'it could be started, and was not' same "$(state first)" approved
expect_exit 0 alice rollout start "$T/first.plan"
expect_error 5 STATE 'started already' alice rollout start "$T/first.plan" --dry-run
expect_error 5 STATE 'started already' alice rollout start "$T/first.plan"
expect_error 5 STATE 'running' alice rollout resume first
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
expect_error 5 STATE 'approvals come before the start' carol rollout approve "$T/first.plan"
expect_error 5 STATE 'Abort it first' alice rollout rollback first -o "$T/back.plan"
expect_error 5 STATE 'rollout first is running' alice rollout start two # the shards are the other's
expect_exit 0 alice rollout pause first --reason 'a look first'
release_lock
wait_for 20 'the job to end' shard_is first one/tenant_0001 in_flight false
check 'paused' same "$(state first)" paused
check 'with its reason' same "$(state first reason)" 'a look first'
check 'after its step, and no further' same "$(all_rows)" '002_wait  '
expect_error 5 STATE 'paused' alice rollout pause first

# --- resume
expect_exit 0 alice rollout resume first
wait_for 30 'the rollout to be over' is_over first
check 'succeeded' same "$(state first) $(all_rows)" 'succeeded 003_last 003_last 003_last'
expect_error 5 STATE 'started already' alice rollout start first
for word in pause resume abort; do
    expect_error 5 STATE 'succeeded' alice rollout "$word" first
done

# --- taken back by a plan of its own, which needs approvals of its own
expect_exit 0 alice rollout rollback first -o "$T/back.plan"
name=$(alice rollout list --json | json '[r["name"] for r in d["result"]["rollouts"] if r["direction"] == "downgrade"][0]')
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/back.plan"
expect_error 5 APPROVAL 'author' alice rollout approve "$T/back.plan"
expect_exit 0 bob rollout approve "$T/back.plan"
expect_exit 0 alice rollout start "$T/back.plan"
wait_for 30 'the rollback to be over' is_over "$name"
check 'taken back' same "$(state "$name") $(all_rows)" 'succeeded   '
check 'newest first' same "$(history one tenant_0001 | tr ' ' '\n' | grep downgrade | paste -sd' ')" \
    'downgrade:succeeded:003_last downgrade:succeeded:002_wait downgrade:succeeded:001_first'

# --- a veto
rollout_yaml "$T/veto.yaml" veto "$T/small.bundle" "${one_each[@]}"
approved veto
expect_exit 0 bob rollout reject "$T/veto.plan" --reason 'not on a Friday'
check 'vetoed' same "$(state veto vetoed)" true
expect_error 5 APPROVAL 'reject' alice rollout start "$T/veto.plan"
check 'nothing happened' same "$(all_rows)" '  '

# --- abort in the middle of a step: it ends, what is done stays, and never again
rollout_yaml "$T/abort.yaml" abort "$T/small.bundle" "${one_each[@]}"
hold_lock one tenant_0001
started abort
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
expect_exit 0 alice rollout abort abort --reason 'wrong day'
check 'stopping' same "$(state abort stopping)" true
release_lock
wait_for 20 'the rollout to be over' is_over abort
check 'aborted' same "$(state abort) $(all_rows)" 'aborted 002_wait  '
expect_error 5 STATE 'aborted' alice rollout resume abort
expect_exit 0 alice rollout rollback abort -o "$T/undo.plan"
bob rollout approve "$T/undo.plan" >/dev/null
alice rollout start "$T/undo.plan" >/dev/null
wait_for 30 'the aborted one to be taken back' eval '[ "$(all_rows)" = "  " ]'

# --- around the fleet
expect_exit 5 single tenant_0002 upgrade head
check 'says who manages it' contains "$(cat "$T/err")" 'fleet'
check 'nothing happened' same "$(all_rows)" '  '
rollout_yaml "$T/last.yaml" last "$T/small.bundle" 'select: database = tenant_0002'
approved last
expect_error 2 USAGE 'needs a text' single tenant_0002 upgrade 001_first --unmanaged ''
check 'still nothing' same "$(all_rows)" '  '
expect_exit 0 single tenant_0002 upgrade 001_first --unmanaged 'the fleet is away'
check 'the reason is kept in the shard' same \
    "$(sql one tenant_0002 "SELECT message FROM pgtide.history WHERE direction = 'external'")" 'unmanaged: the fleet is away'
fleet_knows() { alice fleet shards --json | json "[s for s in d['result']['shards'] if s['name'] == 'one/tenant_0002'][0]['rows']" | grep -q 001; }
wait_for 20 'the fleet to see it' fleet_knows
expect_exit 5 alice rollout start "$T/last.plan"
check 'the plan is of another day' contains "$(cat "$T/err")" 'tenant_0002'

# The same while a rollout is at work there: the next step of the fleet finds itself overtaken.
rollout_yaml "$T/race.yaml" race "$T/small.bundle" 'select: database = tenant_0003' 'waves: [rest]' 'locks: {timeout: 60s, attempts: 3}'
hold_lock one tenant_0003
started race
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0003
rollout_yaml "$T/again.yaml" race "$T/small.bundle" 'select: database = tenant_0001'
approved again # a newer plan of the same name, over another shard
expect_error 2 EXISTS 'a rollout named race is running' alice rollout start "$T/again.plan"
check 'the name means the one at work' same "$(state race)" running
fleet_agent_stop one KILL
release_lock
stands() { [ "$(rows one tenant_0003)" = 001_first ]; }
check 'between two steps' stands
sql one tenant_0003 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '$FLEET_ROLE' AND datname = 'tenant_0003'" >/dev/null
expect_exit 0 single tenant_0003 downgrade base --unmanaged 'by hand'
fleet_agent_start one
wait_for 30 'the rollout to stop' is_over race
check 'overtaken' same "$(shard_field race one/tenant_0003 outcome) $(state race)" 'overtaken halted'
check 'what was done by hand stays' same "$(rows one tenant_0003)" ''
check 'and the fleet wrote nothing since' same "$(history one tenant_0003 | tr ' ' '\n' | tail -n 1)" 'downgrade:succeeded:001_first'
