#!/usr/bin/env bash
# Four tenants, and somebody changes one by hand: the fleet is told in classes, objects are told exactly, a schema is
# accepted until it changes, and all of it is in the journal.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin drift
fleet_cluster one eu 4 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
FLEET_INVENTORY=300ms FLEET_FINGERPRINT='{every: 500ms}' fleet_agent one one eu
wait_for 90 'all shards reported' fleet_has_shards 4
export PGTIDE_URL="host=$T/one/socket user=postgres dbname=postgres" # for scratch databases
drift() { alice fleet drift --json "$@" || [ $? -eq 3 ]; }
count() { drift | json "d['result']['counts']['$1']"; }
counts_are() { # DRIFTED ACCEPTED EXPECTED UNKNOWN
    [ "$(drift | json "' '.join(str(d['result']['counts'][k]) for k in ('drifted', 'accepted', 'expected', 'unknown'))")" = "$*" ]
}
class() { drift | json "[c['$2'] for g in d['result']['groups'] for c in g['classes'] if c['verdict'] == '$1'][0]"; }
as_agent() { PGHOST="$T/one/socket" PGUSER=$FLEET_ROLE PGDATABASE=$1 "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -c "$2"; }

# --- nothing is expected yet
whys() { drift | json "sorted(set(c['why'] for g in d['result']['groups'] for c in g['classes']))"; }
all_read() { [ "$(whys)" = "['nothing is expected at these rows']" ]; }
wait_for 90 'all schemas to be read' all_read
check 'they are one class' same "$(drift | json "[(len(g['classes']), c['shards']) for g in d['result']['groups'] for c in g['classes']]")" '[(1, 4)]'
expect_exit 0 alice fleet drift
check 'and it says what to do' contains "$(cat "$T/out")" 'nothing is expected here yet: pgtide drift expect'

# --- what the revisions build: these databases were there before, so that the first revision is what they have
project small
revision 001_there '' "$(cat "$ROOT/deploy/demo-data.sql")" 'SELECT 1;'
revision 002_note 001_there 'CREATE TABLE note (id int PRIMARY KEY, body text NOT NULL);' 'DROP TABLE note;'
for i in 1 2 3 4; do
    "$BIN/pgtide" stamp 001_there --config "$PROJECT/pgtide.yaml" \
        --url "host=$T/one/socket user=$FLEET_ROLE dbname=tenant_000$i" >/dev/null
done
at_first() { [ "$(drift | json "[g['rows'] for g in d['result']['groups']]")" = "[['001_there']]" ]; }
wait_for 90 'the fleet to be at the first' at_first
expect_exit 0 alice drift expect --config "$PROJECT/pgtide.yaml"
check 'said for whom' contains "$(cat "$T/out")" '001_there (databases, PostgreSQL'
check 'and how many' contains "$(cat "$T/out")" 'for 4 shards'
wait_for 90 'all to be as expected' counts_are 0 0 4 0
expect_exit 0 alice fleet drift

# --- by hand, in the night
as_agent tenant_0003 "ALTER TABLE billing_events ADD COLUMN hack text; COMMENT ON TABLE billing_accounts IS 'mine'; CREATE INDEX hack_at ON billing_events (hack)"
wait_for 90 'it to be seen' counts_are 1 0 3 0
expect_exit 3 alice fleet drift
check 'which one' contains "$(cat "$T/out")" 'one/tenant_0003'
check 'in how many' contains "$(cat "$T/out")" '1 drifted, 0 accepted, 3 as expected, 0 unknown'
expect_exit 3 alice fleet drift one/tenant_0003
for words in 'create column public.billing_events.hack' 'ADD COLUMN hack text' 'alter table public.billing_accounts' 'create index public.hack_at'; do
    check "told: $words" contains "$(cat "$T/out")" "$words"
done
expect_exit 3 alice fleet drift --objects
check 'the same by classes' contains "$(cat "$T/out")" 'create index public.hack_at'
expect_exit 0 alice fleet drift one/tenant_0001
check 'another has no difference' contains "$(cat "$T/out")" 'there is no difference'
expect_error 2 NOT_FOUND 'no agent lists' alice fleet drift one/nobody
as_agent tenant_0001 'ANALYZE billing_events'
as_agent tenant_0001 'CREATE TEMPORARY TABLE t (id int)'

# --- accepted, with a reason, until it changes
expect_error 2 USAGE 'needs --reason' alice drift accept one/tenant_0003
expect_error 5 STATE 'is as expected' alice drift accept one/tenant_0001 --reason 'no need'
expect_exit 0 alice drift accept one/tenant_0003 --reason 'ticket 42'
check 'counted as accepted' counts_are 0 1 3 0
check 'by whom and why' same "$(class accepted accepted_by) $(class accepted accepted_reason)" 'alice ticket 42'
expect_exit 0 alice fleet drift
fingerprint=$(class accepted fingerprint)
as_agent tenant_0003 "ALTER TABLE billing_events ALTER COLUMN hack SET DEFAULT 'x'"
wait_for 90 'the word to end with its schema' counts_are 1 0 3 0
as_agent tenant_0003 'ALTER TABLE billing_events ALTER COLUMN hack DROP DEFAULT'
wait_for 90 'and to hold where it is that again' counts_are 0 1 3 0

# --- a class: all that have it, at these revisions
as_agent tenant_0002 "ALTER TABLE billing_events ADD COLUMN hack text; COMMENT ON TABLE billing_accounts IS 'mine'; CREATE INDEX hack_at ON billing_events (hack)"
wait_for 90 'a second one of the same' counts_are 1 1 2 0
check 'the same schema has the same fingerprint' same "$(class drifted fingerprint)" "$fingerprint"
expect_error 2 USAGE 'one of the two' alice drift accept one/tenant_0002 --class "$fingerprint" --reason both
expect_error 2 NOT_FOUND "no shard's schema is" alice drift accept --class f1:0000000000 --reason none
expect_exit 0 alice drift accept --class "${fingerprint:0:15}" --reason 'ticket 43'
check 'both are accepted' counts_are 0 2 2 0

# --- led back by a revision, which all pass and those that need it run
expect_error 5 STATE 'and the revisions lead to 002_note' alice drift repair one/tenant_0003 --config "$PROJECT/pgtide.yaml"
rm "$PROJECT/versions/002_note.sql"
expect_error 5 STATE 'is as expected' alice drift repair one/tenant_0001 --config "$PROJECT/pgtide.yaml"
as_agent tenant_0004 'ALTER TABLE billing_events ADD COLUMN other int'
wait_for 90 'a third one, of another kind' counts_are 1 2 1 0
expect_error 5 STATE 'has drifted otherwise' alice drift repair one/tenant_0003 one/tenant_0004 --config "$PROJECT/pgtide.yaml"
expect_exit 0 alice drift repair one/tenant_0003 one/tenant_0002 -m 'hack goes' --config "$PROJECT/pgtide.yaml"
check 'what it is for' contains "$(cat "$PROJECT/versions/002_hack_goes.sql")" "-- when-fingerprint: $fingerprint"
bundle repair
rollout_yaml "$T/repair.yaml" repair "$T/repair.bundle"
started repair
wait_for 60 'the rollout to be over' is_over repair
check 'it has succeeded' is_state repair succeeded
needed() { sql one "$1" "SELECT coalesce(message, 'run') FROM pgtide.history WHERE revision = '002_hack_goes'"; }
check 'run where it was needed' same "$(needed tenant_0002) $(needed tenant_0003)" 'run run'
check 'recorded where it was not' contains "$(needed tenant_0001)" 'not needed here'
check 'nor where it is another' contains "$(needed tenant_0004)" 'not needed here'
expect_exit 0 alice drift expect --bundle "$T/repair.bundle" --json
check 'no shard is on a server of another version' same "$(json "d['result']['other_servers']" <"$T/out")" '[]'
wait_for 90 'all but the other one to be as expected' counts_are 1 0 3 0

# --- plans: told, left out, refused; and refused at the start
revision 003_more 002_hack_goes 'CREATE TABLE more (id int);' 'DROP TABLE more;'
bundle more
for word in tell leave-out refuse; do rollout_yaml "$T/$word.yaml" "$word" "$T/more.bundle" "drift: $word" 'waves: [rest]'; done
expect_exit 0 alice rollout plan "$T/tell.yaml" -o "$T/tell.plan"
check 'the plan names it' contains "$(cat "$T/out")" 'drifted    one/tenant_0004'
expect_exit 0 alice rollout plan "$T/leave-out.yaml" -o "$T/leave-out.plan"
check 'or goes without it' contains "$(cat "$T/out")" 'left out   one/tenant_0004: its schema has drifted: it is f1:'
expect_error 5 REFUSED 'one/tenant_0004' alice rollout plan "$T/refuse.yaml" -o "$T/refuse.plan"
as_agent tenant_0004 'ALTER TABLE billing_events DROP COLUMN other'
wait_for 90 'none to be drifted' counts_are 0 0 4 0
expect_exit 0 alice rollout plan "$T/refuse.yaml" -o "$T/refuse.plan"
expect_exit 0 bob rollout approve "$T/refuse.plan"
as_agent tenant_0004 'ALTER TABLE billing_events ADD COLUMN other int'
wait_for 90 'it to have drifted again' counts_are 1 0 3 0
expect_error 5 REFUSED 'has drifted since the plan was made' alice rollout start "$T/refuse.plan"

# --- a gate: before the first shard, and after the last
for name in held gated; do
    rollout_yaml "$T/$name.yaml" "$name" "$T/more.bundle" 'waves: [rest]' \
        'gates: [{name: as expected, drift: true, when: [before, after], interval: 200ms, attempts: 100}]'
done
started held
wait_for 60 'the gate to have its say' is_over held
check 'it stops what has drifted' is_state held halted
alice rollout status held >"$T/out"
check 'and names it' contains "$(cat "$T/out")" '1 of 4 shards, first one/tenant_0004: its schema has drifted'
check 'before anything has run' same "$(rows one tenant_0001)" 002_hack_goes
expect_exit 0 alice rollout abort held --reason 'look first'
as_agent tenant_0004 'ALTER TABLE billing_events DROP COLUMN other'
wait_for 90 'none to be drifted' counts_are 0 0 4 0
expect_exit 0 alice drift expect 003_more --bundle "$T/more.bundle"
started gated
wait_for 60 'what is read after the steps to be as expected' is_over gated
check 'it goes on' is_state gated succeeded
as_agent tenant_0004 'ALTER TABLE billing_events ADD COLUMN other int'
wait_for 90 'it to have drifted once more' counts_are 1 0 3 0

# --- who may, and what is kept
fleet_coordinator_stop
fleet_coordinator_start
wait_for 90 'the journal to know it still' counts_are 1 0 3 0
expect_exit 0 alice fleet events --type 'drift.*'
check 'events tell of it' same "$(grep -c 'drift\.' "$T/out")" 5
fleet_agent_stop one
is_away() { [ "$(count unknown)" = 4 ]; }
wait_for 90 'nothing to be known without the agent' is_away
check 'and why' contains "$(whys)" 'its agent is not connected'
