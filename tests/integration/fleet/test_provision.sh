#!/usr/bin/env bash
# A new tenant is born where a rollout has brought the others, on an operator's signature that its agent judges itself:
# from nothing, by a baseline, as a schema; again after it was cut off; never over what is there.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin provision
fleet_cluster one eu 2 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2

project forge
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_second 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;' 'SELECT id FROM second LIMIT 0;'
bundle forge
rollout_yaml "$T/forge.yaml" forge "$T/forge.bundle"

# --- refused: nothing has been rolled out, wrong names, who may not
expect_error 2 NOT_FOUND 'no rollout has succeeded' alice fleet provision one/new_1
started forge
wait_for 30 'the rollout to be over' is_over forge
sql one postgres "ALTER ROLE $FLEET_ROLE NOCREATEDB"
expect_error 2 USAGE 'CLUSTER/DATABASE' alice fleet provision one
expect_error 2 USAGE 'CLUSTER/DATABASE' alice fleet provision one/a/b/c
expect_error 2 NOT_FOUND 'no agent has a cluster named two' alice fleet provision two/new_1
expect_error 2 NOT_FOUND 'no rollout named none has succeeded' alice fleet provision one/new_1 --rollout none
expect_error 1 SQL 'CREATEDB' alice fleet provision one/new_1
check 'nothing was made' same "$(sql one postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'new%'")" 0
sql one postgres "ALTER ROLE $FLEET_ROLE CREATEDB"

# --- a database
alice fleet provision one/new_1 >"$T/out" 2>"$T/err"
check 'it says what it did' contains "$(cat "$T/out")" 'one/new_1: made, 2 steps, at 002_second'
check 'and by whose plan' contains "$(cat "$T/err")" 'as rollout forge has left the others'
check 'it stands there' same "$(rows one new_1)" 002_second
check 'each step once' same "$(done_once one new_1)" 2/2
check 'the operator is in its history' same "$(sql one new_1 "SELECT DISTINCT who FROM pgtide.history WHERE direction = 'upgrade'")" alice
schema_of() { PGHOST="$T/one/socket" "$PG_BIN/pg_dump" -U postgres -s -t first -t second "$1" | grep -v '^\\\(un\)\?restrict'; }
check 'its tables are those of the others' same "$(schema_of new_1)" "$(schema_of tenant_0001)"
check 'asked again, nothing happens' contains "$(alice fleet provision one/new_1)" 'was there, 0 steps, at 002_second'
check 'as JSON' same "$(alice fleet provision one/new_1 --json | json '(d["command"], d["result"]["made"], d["result"]["rows"])')" \
    "('fleet provision', False, ['002_second'])"

told() { # SHARD: types, codes and rollouts of the events about it
    alice fleet events --json --type 'provision.*' | /usr/bin/python3 -c 'import json, sys
for d in (json.loads(line)["result"] for line in sys.stdin):
    if d["shard"] == sys.argv[1]:
        assert d["who"] == "alice" and d["shards"] == [{"name": d["shard"], "uuid": d["shards"][0]["uuid"]}]
        print(d["type"], d["code"] or d["shards"][0]["uuid"] or "-", d["rollout"]["name"])' "$1"
}
check 'events tell of the failure, the success, and the other two' same "$(told one/new_1)" "$(
    made="provision.done $(sql one new_1 'SELECT uuid FROM pgtide.shard') forge"
    printf '%s\n' 'provision.begun - forge' 'provision.failed SQL forge' 'provision.begun - forge' "$made" \
        'provision.begun - forge' "$made" 'provision.begun - forge' "$made"
)"
check 'in words' contains "$(alice fleet events --type provision.failed)" 'provision.failed        forge  one/new_1  by alice  SQL  '

# --- once it is listed it is a shard like the others
sql one postgres "INSERT INTO tenants VALUES ('new_1', '{\"tier\": \"new\"}')"
wait_for 30 'the new shard to be listed' fleet_has_shards 3
check 'known by its uuid' same "$(alice fleet shards --json | json '[s for s in d["result"]["shards"] if s["database"] == "new_1"][0]["adopted"]')" true

# --- a database that is there: empty is taken, one with something in it is not
sql one postgres "CREATE DATABASE new_2 OWNER $FLEET_ROLE"
check 'an empty one is taken' contains "$(alice fleet provision one/new_2)" 'was there, 2 steps'
sql one postgres 'CREATE DATABASE foreign_1'
sql one foreign_1 'CREATE TABLE precious (id int)'
expect_error 2 EXISTS 'something in it that pgtide does not know' alice fleet provision one/foreign_1
check 'it is untouched' same "$(sql one foreign_1 "SELECT string_agg(nspname || '.' || relname, ' ') FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind = 'r' AND nspname !~ '^pg_' AND nspname <> 'information_schema'")" public.precious

# --- a schema
sql one postgres "CREATE DATABASE apps OWNER $FLEET_ROLE"
check 'a schema is a tenant too' contains "$(alice fleet provision 'one/apps/b%2Fc')" 'made, 2 steps'
check 'in its schema' same "$(sql one apps "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relnamespace = '\"b/c\"'::regnamespace")" 'alembic_version first second'

# --- cut off in the middle: the agent dies while the second revision waits, and the next request takes it up
sql one postgres "CREATE DATABASE slow_template OWNER $FLEET_ROLE"
revision 003_slow 002_second 'SELECT pg_advisory_xact_lock(42); CREATE TABLE third (id int);' 'DROP TABLE third;'
bundle slow
rollout_yaml "$T/slow.yaml" slow "$T/slow.bundle" 'locks: {timeout: 1m}'
started slow
wait_for 30 'the rollout to be over' is_over slow
sql one postgres "CREATE DATABASE cut_1 OWNER $FLEET_ROLE"
hold_lock one cut_1
alice fleet provision one/cut_1 --timeout 60s >"$T/cut.out" 2>"$T/cut.err" &
CUT=$!
PIDS+=("$CUT")
wait_for 30 'the third revision to wait' waits_for_lock one cut_1
fleet_agent_stop one KILL
release_lock
fleet_agent_start one
wait "$CUT" || { cat "$T/cut.err" >&2; exit 1; }
check 'the same request is taken up' contains "$(cat "$T/cut.out")" 'at 003_slow'
check 'each step once, over both lives' same "$(done_once one cut_1)" 3/3
check 'begun and done, once each' same "$(told one/cut_1 | cut -d' ' -f1 | paste -sd' ')" 'provision.begun provision.done'

# --- an older rollout's place; a baseline; a template
check 'where an older rollout stands' contains "$(alice fleet provision one/old_1 --rollout forge)" 'at 002_second'
"$BIN/pgtide" squash --config "$PROJECT/pgtide.yaml" --url "$(cluster_url one postgres)" 002_second >/dev/null
revision 004_more 003_slow 'CREATE TABLE fourth (id int);' 'DROP TABLE fourth;'
bundle squashed
rollout_yaml "$T/squashed.yaml" squashed "$T/squashed.bundle" 'select: database = new_1'
started squashed
wait_for 30 'the rollout to be over' is_over squashed
check 'a baseline is one step' contains "$(alice fleet provision one/born_1)" 'made, 3 steps, at 004_more'
check 'of the same tables' same "$(schema_of born_1)" "$(schema_of tenant_0001)"
sed -i "s/^    pg-bin:/    provision-template: new_2\n    pg-bin:/" "$T/agent-one/agent.yaml"
fleet_agent_stop one
fleet_agent_start one
wait_for 30 'the agent is back' fleet_has_shards 3
check 'a copy of a template goes on from there' contains "$(alice fleet provision one/copy_1)" 'made, 2 steps, at 004_more'
check 'it is another shard than its template' same "$(sql one copy_1 'SELECT uuid FROM pgtide.shard' | sort -u | wc -l) $([ "$(sql one copy_1 'SELECT uuid FROM pgtide.shard')" != "$(sql one new_2 'SELECT uuid FROM pgtide.shard')" ] && echo other)" '1 other'
alice fleet brake on --reason night >/dev/null
expect_error 5 STATE 'brake' alice fleet provision one/new_9
