#!/usr/bin/env bash
# Which database is which shard: clones, renamed, recreated and restored ones are noticed and quarantined until an
# admin says what they are; what the coordinator knows outlives it; shards that are gone are forgotten.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin adopt
fleet_cluster one eu 4 1
fleet_keys one
FLEET_AGENT_DEADLINE=30s fleet_coordinator
fleet_agent one one eu
wait_for 60 'all shards reported' fleet_has_shards 4
field() { alice fleet shards --json | json "[s['$2'] for s in d['result']['shards'] if s['name'] == '$1'][0]"; }
field_is() { [ "$(field "$1" "$2")" = "$3" ]; }
missing() { alice fleet shards --json | json "[m['name'] for m in d['result']['missing']]"; }
row() { sql one "$1" "SELECT $2 FROM pgtide.shard"; }
tenant() { sql one postgres "$1"; }
insert() { tenant "INSERT INTO tenants VALUES ('$1', '{}')"; }

# --- first adoption, without a rollout: by an admin's signature, once
expect_error 2 USAGE 'reason' alice fleet adopt one/tenant_0001
expect_error 5 REFUSED 'bob may not' bob fleet adopt one/tenant_0001 --reason 'first'
expect_error 2 NOT_FOUND 'no agent lists' alice fleet adopt one/tenant_0009 --reason 'first'
expect_exit 0 alice fleet adopt one/tenant_0001 one/tenant_0002 one/tenant_0003 one/tenant_0004 --reason 'the first tenants'
check 'its row' same "$(row tenant_0001 uuid)" "$(field one/tenant_0001 uuid)"
check 'its history' same "$(sql one tenant_0001 "SELECT direction || ':' || message FROM pgtide.history")" \
    'adopt:adopted by alice: the first tenants'
check 'shown at once' same "$(field one/tenant_0001 adopted)" true
expect_error 5 STATE 'is adopted' alice fleet adopt one/tenant_0001 --reason 'again'

# --- a clone, a renamed, a recreated, a restored one: all noticed
uuid=$(row tenant_0001 uuid)
fleet_agent_stop one # its sessions would be in the way
tenant 'CREATE DATABASE copy OWNER pgtide_agent TEMPLATE tenant_0001'
tenant 'ALTER DATABASE tenant_0002 RENAME TO renamed'
tenant 'DROP DATABASE tenant_0003'
tenant "CREATE DATABASE tenant_0003 OWNER $FLEET_ROLE"
tenant 'CREATE DATABASE restored OWNER pgtide_agent TEMPLATE tenant_0004'
tenant 'DROP DATABASE tenant_0004'
tenant 'ALTER DATABASE restored RENAME TO tenant_0004'
tenant "UPDATE tenants SET database = 'renamed' WHERE database = 'tenant_0002'"
insert copy
fleet_agent_start one
wait_for 60 'the clone is noticed' field_is one/copy fault clone
wait_for 60 'the renamed one' field_is one/renamed fault renamed
wait_for 60 'the recreated one' field_is one/tenant_0003 fault recreated
wait_for 60 'the restored one' field_is one/tenant_0004 fault moved
check 'the original is not blamed' same "$(field one/tenant_0001 state)" current
for name in copy renamed tenant_0003 tenant_0004; do
    check "$name is quarantined" same "$(field "one/$name" state)" quarantined
done
check 'which' contains "$(field one/copy message)" 'a clone of one/tenant_0001'
check 'why' contains "$(field one/renamed message)" 'it was one/tenant_0002'
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
rollout_yaml "$T/first.yaml" first "$T/small.bundle"
plan first
check 'a plan has only the one' same "$(alice rollout status first --json | json "d['result']['progress']['total']")" 1

# --- the coordinator remembers it after a restart
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 60 'the recreated one is noticed again' field_is one/tenant_0003 fault recreated
wait_for 60 'and the renamed one' field_is one/renamed fault renamed

# --- a person says what they are
expect_error 5 STATE "can't be the shard" alice fleet adopt one/copy --as-is --reason 'it is not'
expect_error 5 STATE 'no row' alice fleet adopt one/tenant_0003 --as-is --reason 'it has none'
expect_error 2 USAGE 'exclude each other' alice fleet adopt one/copy --as-is --as-new --reason 'both'
sql one copy "REVOKE INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgtide FROM $FLEET_ROLE"
expect_error 1 SQL 'permission denied' alice fleet adopt one/copy --reason 'looked at it'
sql one copy "GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pgtide TO $FLEET_ROLE"
expect_exit 0 alice fleet adopt one/copy one/renamed one/tenant_0003 one/tenant_0004 --reason 'looked at them'
check 'the clone is another shard' test "$(row copy uuid)" != "$uuid"
check 'the renamed one is the same' same "$(row renamed uuid)" "$(field one/renamed uuid)"
check 'the restored one has its place' same "$(row tenant_0004 database_oid)" \
    "$(tenant "SELECT oid FROM pg_database WHERE datname = 'tenant_0004'")"
for name in copy renamed tenant_0003 tenant_0004 tenant_0001; do
    check "$name is current" same "$(field "one/$name" state)" current
done
check 'said in its history' contains "$(sql one copy "SELECT string_agg(message, '; ') FROM pgtide.history WHERE direction = 'adopt'")" \
    'adopted by alice: looked at them'
check 'nothing is missing' same "$(missing)" '[]'
rollout_yaml "$T/all.yaml" all "$T/small.bundle"
started all
wait_for 90 'the rollout is over' is_over all
check 'it has them all' same "$(progress all done)" 5

# --- what is gone is shown until it is forgotten
expect_error 5 STATE 'is listed by agent one' alice fleet forget one/copy --reason 'gone'
tenant "DELETE FROM tenants WHERE database = 'copy'"
is_missing() { [ "$(missing)" = "['one/copy']" ]; }
wait_for 60 'it is missing' is_missing
expect_error 5 REFUSED 'bob may not' bob fleet forget one/copy --reason 'gone'
expect_exit 0 alice fleet forget one/copy --reason 'the tenant has left'
check 'forgotten' same "$(missing)" '[]'
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 60 'all shards reported' fleet_has_shards 4
check 'forgotten still' same "$(missing)" '[]'

# --- all of that is told, over a restart too, by the names that shards had then
told() { alice fleet events --json --type 'shard.adopt*' --type shard.forgotten | /usr/bin/python3 -c 'import json, sys
for d in (json.loads(line)["result"] for line in sys.stdin):
    assert d["shard_count"] == 1 and d["shards"][0]["name"] == d["shard"] and len(d["shards"][0]["uuid"]) == 36
    print(d["type"], d["shard"], d["who"], d["code"] or "-", d["message"])'; }
check 'what was adopted and forgotten' same "$(told | sed 's/permission denied.*/permission denied/')" "$(
    for name in 1 2 3 4; do echo "shard.adopted one/tenant_000$name alice - the first tenants"; done
    echo 'shard.adopt-failed one/copy alice SQL permission denied'
    for name in copy renamed tenant_0003 tenant_0004; do echo "shard.adopted one/$name alice - looked at them"; done
    echo 'shard.forgotten one/copy alice - the tenant has left'
)"
