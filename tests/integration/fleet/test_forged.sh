#!/usr/bin/env bash
# Somebody in the coordinator's place, even with its keys: forged, misdirected, late and repeated commands are refused
# with their reason, those whose signature does not hold unread; no shard is touched. Its keys alone give no power over
# a shard: a plan needs its author and its approvers.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin forged
fleet_cluster one eu 2 1
fleet_keys one mallory
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_coordinator_stop
fleet_coordinator_start # its second life, so that there is an older epoch
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2
fleet_coordinator_stop KILL
fake() { # COORDINATOR OTHER
    "$BIN/pgtide_fake_coordinator" "$FLEET_ENDPOINT" "$T/trust" "$T/$1/$1.key" "$T/$2/$2.key" "$T/one/one.pub"
}
check 'everything was answered' fake coordinator mallory >"$T/out"
check 'each for its reason' same "$(cat "$T/out")" 'unsigned SIGNATURE_INVALID none
wrong-key KEY_UNKNOWN none
wrong-type PROTOCOL none
flipped SIGNATURE_INVALID none
other-agent REFUSED own
other-fleet REFUSED own
old-boot STALE own
old-epoch STALE own
expired STALE own
replayed STALE own
old-sequence STALE own
skewed-run STALE own
in-order obeyed'
for database in tenant_0001 tenant_0002; do
    check "$database untouched" same "$(rows one "$database")$(sql one "$database" "SELECT to_regnamespace('pgtide')")" ''
done
check 'each is in the log' test "$(grep -c event=command.refused "$T/agent-one/agent.log")" -eq 12

# The true one comes back, and is heard.
fleet_coordinator_start
wait_for 30 'all shards reported' fleet_has_shards 2

# --- what a coordinator holds for approved is nothing to an agent whose trust file does not know the approver
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
rollout_yaml "$T/plain.yaml" plain "$T/small.bundle"
approved plain
"$BIN/pgtide" trust init --root "$T/root/root.pub" --root-threshold 1 --release "$T/release/release.pub" --release-threshold 1 \
    --operator "$T/alice/alice.pub=admin" --coordinator "$T/coordinator/coordinator.pub" \
    --fleet "$("$BIN/pgtide" trust show "$T/trust" --json | grep -o '"fleet":"[^"]*"' | cut -d'"' -f4)" \
    --sign "$T/root/root.key" -o "$T/agent-trust" >/dev/null
sed -i 's|^trust:.*|trust: ../agent-trust|' "$T/agent-one/agent.yaml"
fleet_agent_stop one
fleet_agent_start one
wait_for 20 'the agent to be back' fleet_has_shards 2
alice rollout start plain >/dev/null
wait_for 20 'it to come to nothing' is_over plain
check 'refused by the agent' same "$(state plain) $(shard_field plain one/tenant_0001 outcome) $(shard_field plain one/tenant_0001 code)" \
    'halted refused APPROVAL'
check 'and untouched' same "$(rows one tenant_0001)$(sql one tenant_0001 "SELECT to_regnamespace('pgtide')")" ''
