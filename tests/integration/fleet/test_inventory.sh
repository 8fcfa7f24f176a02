#!/usr/bin/env bash
# What the fleet's inventory tells: shards found by a command that prints JSON, a standby's copies, listings that are
# too old, selections by what every shard has; and what a plan leaves out or refuses for it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin inventory
fleet_cluster one eu 3 1
fleet_keys one two
FLEET_AGENT_DEADLINE=30s fleet_coordinator

# --- a command finds the shards
found() { printf '%s' "$1" >"$T/found.new" && mv "$T/found.new" "$T/found.json"; }
found '[{"database": "tenant_0001", "labels": {"tier": "pro", "canary": "true"}},
        {"database": "tenant_0002", "schema": "", "labels": {"tier": "free"}}, {"database": "tenant_0003"}]'
fleet_agent one one eu
fleet_agent_stop one
sed -i -e "s|^    discover: .*|    discover-command: [cat, $T/found.json]|" -e 's/^inventory: .*/inventory: 300ms/' \
    "$T/agent-one/agent.yaml"
fleet_agent_start one
shard_of() { alice fleet shards --json --select "$1" | json "[s['$2'] for s in d['result']['shards']]"; }
cluster_of() { alice fleet clusters --json | json "[c['$2'] for c in d['result']['clusters'] if c['name'] == '$1'][0]"; }
cluster_says() { [[ $(cluster_of "$1" message) = *"$2"* ]]; }
wait_for 30 'all shards reported' fleet_has_shards 3
check 'its labels' same "$(shard_of 'tier = free' name)" "['one/tenant_0002']"
check 'reached' same "$(cluster_of one reachable)" true
found '[{"database": "tenant_0001"}, {"database": "tenant_0002", "lables": {}}]'
wait_for 20 'the wrong element is named' cluster_says one "discovery failed: element 2: unknown key 'lables'"
check 'the former ones are kept' fleet_has_shards 3
check 'with their labels' same "$(shard_of canary name)" "['one/tenant_0001']"
rm "$T/found.json"
wait_for 20 'a command that fails' cluster_says one "discovery failed: 'cat' ended with status 1"
check 'the former ones are kept still' fleet_has_shards 3
found '[{"database": "tenant_0001", "labels": {"tier": "pro"}}, {"database": "tenant_0002"}, {"database": "tenant_0003"}]'
is_right() { [ "$(cluster_of one message)" = '' ]; }
wait_for 20 'it is right again' is_right

# --- what every shard has
version=$(cluster_psql one postgres -c "SELECT current_setting('server_version_num')::int / 10000")
check 'by version and size' same "$(shard_of "version = $version and version >= $version and size < 10GiB" name)" \
    "['one/tenant_0001', 'one/tenant_0002', 'one/tenant_0003']"
check 'none so large' same "$(shard_of 'size > 1TiB' name)" '[]'
check 'by name and state' same "$(shard_of 'name = one/tenant_0001 and state = new and not rows' agent)" "['one']"
expect_error 2 USAGE 'column 9: expected a state' alice fleet shards --select 'state = nwe'
expect_error 2 USAGE 'only version and size can be compared' alice fleet shards --select 'tier > 3'

# --- a standby is listed and never planned
as_pg mkdir -p "$T/follow/socket" 2>/dev/null || { mkdir -p "$T/follow/socket" && chown -R "$PG_USER" "$T/follow"; }
as_pg "$PG_BIN/pg_basebackup" -h "$T/one/socket" -U postgres -D "$T/follow/data" -R -c fast >/dev/null
printf "unix_socket_directories = '%s'\ncluster_name = 'follow'\n" "$T/follow/socket" |
    as_pg tee -a "$T/follow/data/postgresql.conf" >/dev/null
CLUSTERS+=(follow)
cluster_up follow
fleet_agent two follow eu
copies() { [ "$(alice fleet status --json | json "d['result']['standbys']")" = "$1" ]; }
wait_for 30 'the copies are listed' copies 3
check 'its role' same "$(cluster_of follow role)" standby
check 'and the other' same "$(cluster_of one role)" primary
check 'copies are not counted' same "$(alice fleet status --json | json "d['result']['shards']['total']")" 3
check 'no copy is a twin' same "$(shard_of 'state = quarantined' name)" '[]'
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
rollout_yaml "$T/first.yaml" first "$T/small.bundle" 'waves: [rest]'
planned() { rm -f "$T/first.plan"; alice rollout plan "$T/first.yaml" -o "$T/first.plan" --json | json "$1"; }
check 'the plan has the others' same "$(planned "d['result']['shards']")" 3
alice fleet quarantine one/tenant_0003 --reason 'a look first' >/dev/null
check 'and says what it has not' same \
    "$(planned "[(o['shard'], o['reason'][:11]) for o in d['result']['left_out_shards']]")" \
    "[('follow/tenant_0001', 'a standby: '), ('follow/tenant_0002', 'a standby: '), ('follow/tenant_0003', 'a standby: '), ('one/tenant_0003', 'quarantined')]"
rollout_yaml "$T/none.yaml" none "$T/small.bundle" 'select: role = standby or name = one/tenant_0003'
expect_error 2 EMPTY_SELECTION 'all 4 selected shards are left out' alice rollout plan "$T/none.yaml" -o "$T/none.plan"
alice fleet release one/tenant_0003 --reason 'looked' >/dev/null
rm "$T/first.plan"
approved first && alice rollout start "$T/first.plan" >/dev/null
wait_for 60 'the rollout is over' is_over first
check 'it has succeeded' same "$(state first)" succeeded
check 'by revision' same "$(shard_of 'rows = 001_first and role = primary' name)" \
    "['one/tenant_0001', 'one/tenant_0002', 'one/tenant_0003']"

# --- an agent that lists seldom: its shards are stale, shown so, and not planned
fleet_agent_stop two
fleet_agent_stop one
fleet_coordinator_stop
echo 'inventory-limit: 1s' >>"$T/coordinator/coordinator.yaml"
sed -i 's/^inventory: .*/inventory: 1h/' "$T/agent-one/agent.yaml"
fleet_coordinator_start
fleet_agent_start one
is_stale() { [ "$(cluster_of one stale)" = true ]; }
wait_for 90 'the listing ages' is_stale
check 'its agent is there' same "$(alice fleet agents --json | json "[a['connected'] for a in d['result']['agents'] if a['name'] == 'one'][0]")" true
check 'how they are shown' same "$(shard_of "state = unreachable and cluster = one" stale)" '[True, True, True]'
check 'in words' contains "$(alice fleet shards)" 'listed '
check 'the totals' same "$(alice fleet status --json | json "d['result']['stale']")" 3
revision 002_second 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'
bundle more
rollout_yaml "$T/second.yaml" second "$T/more.bundle" 'select: cluster = one'
expect_error 5 REFUSED 'one/tenant_0001 is stale, and 2 more selected shards' alice rollout plan "$T/second.yaml" -o "$T/second.plan"
rollout_yaml "$T/second.yaml" second "$T/more.bundle" 'select: cluster = one and state != unreachable'
expect_exit 2 alice rollout plan "$T/second.yaml" -o "$T/second.plan"
