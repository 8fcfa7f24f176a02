#!/usr/bin/env bash
# A host that wants two approvals refuses a plan that was content with one, and touches nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin approvals_min
fleet_cluster one eu 1 1
fleet_keys one
fleet_coordinator
fleet_agent one one eu
wait_for 30 'the shard to be reported' fleet_has_shards 1
fleet_agent_stop one
sed -i '1i approvals-min: 2' "$T/agent-one/agent.yaml"
fleet_agent_start one
wait_for 30 'the agent to be back' fleet_has_shards 1

"$BIN/pgtide" bundle build --quiet --config "$ROOT/migrations/example/pgtide.yaml" --name eight -o "$T/eight.bundle"
"$BIN/pgtide" bundle sign --quiet "$T/eight.bundle" --key "$T/release/release.key"
FLEET_BACKUP=none fleet_rollout_file "$T/r.yaml" strict "$T/eight.bundle"
alice rollout plan --quiet "$T/r.yaml" -o "$T/r.plan"
bob rollout approve --quiet "$T/r.plan"
alice rollout start --quiet "$T/r.plan"
expect_exit 1 alice rollout watch strict
alice rollout status strict --shards --json >"$T/status.json"
check 'refused by the agent' same "$(json 'd["result"]["shards"][0]["code"]' <"$T/status.json")" APPROVAL
check 'with its words' contains "$(json 'd["result"]["shards"][0]["message"]' <"$T/status.json")" 'wants 2 approvals'
check 'nothing was written' same "$(cluster_psql one tenant_0001 -c "SELECT to_regclass('alembic_version') IS NULL")" t
