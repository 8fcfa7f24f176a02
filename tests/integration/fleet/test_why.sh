#!/usr/bin/env bash
# `pgtide why SHARD`: what the coordinator remembers of a shard and what its agent reads there; a coordinator whose agent
# is away still tells what it knows; nothing is written by asking, neither into the shard nor into the journal.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin why-fleet
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
shard=one/tenant_0002
why() { expect_exit 0 alice why "$@" && cat "$T/out"; }

check 'a shard that nobody has touched' contains "$(why "$shard")" "$shard is new, at base"
check 'its own rows' contains "$(cat "$T/out")" 'pgtide has never written here'

# --- a rollout in which one shard fails
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);
INSERT INTO first SELECT generate_series(1, 1000);
SELECT pg_sleep(0.5);' 'DROP TABLE first;'
revision 002_unique 001_first 'SELECT pg_sleep(0.03);
INSERT INTO first SELECT id FROM extra;' 'SELECT 1;'
bundle small
for d in 1 2 3; do sql one "tenant_000$d" 'CREATE TABLE extra (id int)'; done
sql one tenant_0002 'INSERT INTO extra VALUES (7)'
for d in $(fleet_databases one); do sql one "$d" "ALTER TABLE extra OWNER TO $FLEET_ROLE"; done
rollout_yaml "$T/first.yaml" first "$T/small.bundle" 'waves: [rest]' 'budget: {fleet: 2, wave: 2}'
started first
wait_for 60 'the rollout to be over' is_over first
rows_before=$(sql one tenant_0002 "SELECT count(*) || ' ' || (SELECT fence FROM pgtide.shard) FROM pgtide.history")
said=$(why "$shard")
check 'how it stands' contains "$said" "$shard is failed, at 001_first"
check 'what the rollout did' contains "$said" 'rollout first (succeeded), wave 1: failed, 1 of 2 steps'
check 'which step failed and why' contains "$said" '002_unique: duplicate key value violates unique constraint'
check 'by its own rows: where' contains "$said" 'upgrade 002_unique failed by one, rollout first: duplicate key'
check 'the line' contains "$said" 'it failed at line 7, INSERT INTO first SELECT id FROM extra'
check 'what took it where it is' contains "$said" ': upgrade 001_first'
check 'what was long' contains "$said" 'longest was line 7, SELECT pg_sleep(0.5) ('
longest() { alice rollout status first --shards --json | json "[(s['longest']['revision'], s['longest']['line'], s['longest']['failed']) for s in d['result']['shards'] if s['name'] == '$1']"; }
check 'the report has what failed' same "$(longest "$shard")" "[('002_unique', 7, True)]"
check 'and what was long' same "$(longest one/tenant_0001)" "[('001_first', 7, False)]"
check 'another is where it should be' contains "$(why one/tenant_0001)" 'rollout first (succeeded), wave 1: current, 2 of 2 steps'

# --- quarantined, and left out of a plan
expect_exit 0 alice fleet quarantine "$shard" --reason 'the tenant asked'
revision 003_last 002_unique 'SELECT 1;' 'SELECT 1;'
bundle more
rollout_yaml "$T/second.yaml" second "$T/more.bundle"
started second
said=$(why "$shard")
check 'by whom and why' contains "$said" 'no plan would have it: quarantined: quarantined by alice: the tenant asked'
check 'left out of the second' contains "$said" 'left it out: quarantined'
check 'newest first' test "$(grep -n 'rollout second (' <<<"$said" | cut -d: -f1)" -lt "$(grep -n 'rollout first (' <<<"$said" | cut -d: -f1)"

# --- nothing was written by asking
check 'the shard is as it was' same "$(sql one tenant_0002 "SELECT count(*) || ' ' || (SELECT fence FROM pgtide.shard) FROM pgtide.history")" "$rows_before"
wait_for 60 'the second to be over' is_over second
events() { alice fleet events --json | wc -l; }
before=$(events)
why "$shard" >/dev/null
check 'nor is it an event' same "$(events)" "$before"

# --- whoever wrote the history: nothing in it steers a terminal
sql one tenant_0002 "UPDATE pgtide.history SET message = E'\\x1b[2Jall is well\\n\\u009b2J' WHERE outcome = 'failed'"
said=$(why "$shard")
check 'the text is told' contains "$said" '?[2Jall is well'
check 'and nothing else' test -z "$(LC_ALL=C tr -d '\n\040-\176' <<<"$said")"

# --- as JSON, by uuid, by a viewer
uuid=$(alice fleet shards --json | json "[s for s in d['result']['shards'] if s['name'] == '$shard'][0]['uuid']")
expect_exit 0 alice why "$uuid" --json
check 'both halves' same "$(json "d['result']['fleet']['shard']['name'] + ' ' + str(len(d['result']['fleet']['rollouts'])) + ' ' + d['result']['record']['history'][0]['outcome'] + ' ' + d['result']['unread']" <"$T/out")" "$shard 2 failed "

expect_exit 0 bob why "$shard"
expect_error 2 NOT_FOUND 'no agent lists a shard one/nobody' alice why one/nobody
expect_error 2 USAGE 'not both' alice why "$shard" --url dbname=x

# --- the agent is away
fleet_agent_stop one
said=$(why "$shard")
check 'what is remembered is told' contains "$said" 'rollout first (succeeded), wave 1: failed, 1 of 2 steps'
check 'and that the rest was not read' contains "$said" '  not read: '

# --- its database is gone: what became of it is still remembered
sql one postgres "DELETE FROM tenants WHERE database = 'tenant_0003'"
uuid=$(alice fleet shards --json | json "[s for s in d['result']['shards'] if s['database'] == 'tenant_0003'][0]['uuid']")
fleet_agent_start one
is_missing() { [ "$(alice fleet shards --json | json "[s['name'] for s in d['result']['missing']]")" = "['one/tenant_0003']" ]; }
wait_for 30 'it to be missed' is_missing
said=$(why one/tenant_0003)
check 'it is not listed' contains "$said" 'one/tenant_0003 is not listed: gone: its cluster is listed without it'
check 'what the rollout did' contains "$said" 'rollout first (succeeded), wave 1: current, 2 of 2 steps'
check 'its rows are not read' contains "$said" '  not read: no agent lists that shard'
check 'by its uuid too' same "$(why "$uuid")" "$said"
expect_exit 0 alice fleet forget one/tenant_0003 --reason 'the tenant left'
expect_error 2 NOT_FOUND 'no agent lists a shard one/tenant_0003' alice why one/tenant_0003
