#!/usr/bin/env bash
# Backfills of a fleet: paused, braked and resumed in their middle, the agent killed, two shards of one server in turns;
# each row is changed once.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin fleet_batch
fleet_cluster one eu 2 1
fleet_keys one
FLEET_HEARTBEAT=100ms FLEET_SILENCE_DEADLINE=1s FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2

project small
revision 001_first '' 'CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i FROM generate_series(1, 20000) i;
CREATE TABLE turns (began timestamptz, ended timestamptz);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO turns VALUES (now(), clock_timestamp()); RETURN NULL; END$$;
CREATE TRIGGER note AFTER UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TABLE stop (please boolean); INSERT INTO stop VALUES (false);
ANALYZE t;' 'DROP TABLE t, turns, stop; DROP FUNCTION note;'
bundle first
revision 002_fill 001_first '-- +batch key=id table=t size=50 target=none pause=10ms
UPDATE t SET n = n + 1 WHERE /*+batch*/ true;' '-- +batch key=id table=t size=20000 target=none
UPDATE t SET n = n - 1 WHERE /*+batch*/ true;' 'SELECT min(n) = 1 AND max(n) = 1 FROM t'
sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/002_fill.sql"
bundle small
rollout_yaml "$T/base.yaml" base "$T/first.bundle"
started base
wait_for 30 'the tables to be there' is_state base succeeded

batches() { sql one "$1" "SELECT coalesce(max((position #>> '{batch,batches}')::int), 0) FROM pgtide.progress"; }
has_batches() { [ "$(batches "$1")" -ge "$2" ]; }
nobody_works() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide-agent%' AND query LIKE '%UPDATE%' AND state <> 'idle'")" = 0 ]; }
nothing_flies() { [ "$(alice rollout status fill --json | json "sum(w['in_flight'] for w in d['result']['waves'])")" = 0 ]; }
each_once() { check "$1: each row once" same "$(sql one "$1" "SELECT count(*) || ' ' || min(n) || ' ' || max(n) FROM t")" '20000 1 1'; }

rollout_yaml "$T/fill.yaml" fill "$T/small.bundle" \
    'backfill: {wal-rate: none, replica-lag: none, archive-backlog: none, query: "SELECT please FROM stop"}'
plan fill
expect_exit 0 alice rollout plan --show "$T/fill.plan"
check 'the plan shows the query that it will run' grep -q 'batches wait while this says so: SELECT please FROM stop' "$T/out"
bob rollout approve "$T/fill.plan" >/dev/null
alice rollout start "$T/fill.plan" >/dev/null
wait_for 30 'the first shard to be at work' has_batches tenant_0001 5
wait_for 30 'the second shard to be at work' has_batches tenant_0002 5

# --- a pause ends both between two batches; nothing gets on; resumed, they go on
expect_exit 0 alice rollout pause fill
wait_for 30 'the jobs to stop' nothing_flies
check 'a shard that was stopped is pending' same "$(shard_field fill one/tenant_0001 state)" pending
check 'and has not failed' same "$(sql one tenant_0001 "SELECT count(*) FROM pgtide.history WHERE outcome = 'failed'")" 0
before=$(batches tenant_0001)
check 'it is in the middle' test "$before" -gt 4 -a "$before" -lt 400
expect_exit 0 alice rollout resume fill
wait_for 30 'the first shard to go on' has_batches tenant_0001 $((before + 5))

# --- the fleet's brake, likewise
expect_exit 0 alice fleet brake on --reason test
wait_for 30 'the jobs to stop' nothing_flies
before=$(batches tenant_0002)
check 'the brake holds' nobody_works
expect_exit 0 alice fleet brake off --reason tested
wait_for 30 'the second shard to go on' has_batches tenant_0002 $((before + 5))

# --- the agent is killed, twice
for _ in 1 2; do
    before=$(batches tenant_0001)
    fleet_agent_stop one KILL
    fleet_agent_start one
    wait_for 30 'the first shard to go on' has_batches tenant_0001 $((before + 5))
done

# --- what holds it back is told to operators
sql one tenant_0001 'UPDATE stop SET please = true' >/dev/null
told() { alice rollout status fill | grep -q "tenant_0001.*held back: the backfill's query says so"; }
wait_for 30 'it to be told' told
sql one tenant_0001 'UPDATE stop SET please = false' >/dev/null
wait_for 120 'the rollout to end' is_state fill succeeded
each_once tenant_0001
each_once tenant_0002

# --- they took turns
for name in tenant_0001 tenant_0002; do
    sql one $name "SELECT extract(epoch FROM began), extract(epoch FROM ended), '$name' FROM turns"
done | sort -n >"$T/turns"
check 'no batch began before the one before it had ended' same \
    "$(awk -F'|' '$1 < last { n++ } { last = $2 } END { print n + 0 }' "$T/turns")" 0
check 'both were at work at the same time' test "$(awk -F'|' 'last != "" && $3 != last { n++ } { last = $3 } END { print n + 0 }' "$T/turns")" -gt 20
