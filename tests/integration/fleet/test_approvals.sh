#!/usr/bin/env bash
# Who may say yes to a plan, and until when: every word that must not count is refused where it is spoken, does not count
# at the start, and is not believed by an agent that knows better than its coordinator. Who did what is told.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin approvals
fleet_cluster one eu 1 1
FLEET_APPROVERS=carol fleet_keys one otto vera
# trust_with OUT [init's arguments]: alice is admin, otto operator, vera viewer; approvers are the caller's
trust_with() {
    local out=$1
    shift
    "$BIN/pgtide" trust init --root "$T/root/root.pub" --root-threshold 1 --release "$T/release/release.pub" \
        --release-threshold 1 --coordinator "$T/coordinator/coordinator.pub" --operator "$T/alice/alice.pub=admin" \
        --operator "$T/otto/otto.pub=operator" --operator "$T/vera/vera.pub=viewer" "$@" --sign "$T/root/root.key" \
        -o "$out" >/dev/null
}
rm "$T/trust"
trust_with "$T/trust" --operator "$T/bob/bob.pub=approver" --operator "$T/carol/carol.pub=approver"
fleet_coordinator
fleet_agent one one eu
wait_for 60 'the shard to be reported' fleet_has_shards 1
project small
revision 001_first '' 'CREATE TABLE first (id int);' 'DROP TABLE first;'
bundle small
carol() { operator carol "$@"; }
otto() { operator otto "$@"; }
vera() { operator vera "$@"; }
untouched() { check "$1: the shard was not touched" same "$(rows one tenant_0001)" ''; }
given() { alice rollout status "$1" --json | json 'd["result"]["approvals"]["given"]'; }
flaw_of() { alice rollout status "$1" --json | json "[a['flaw'] for a in d['result']['approval_list'] if a['operator'] == '$2' or a['keyid'] == '$2'][0]"; }
plan_of() { rollout_yaml "$T/$1.yaml" "$1" "$T/small.bundle" "${@:2}" && plan "$1"; }

# It shows what its last rollout has left: here that is a failure.
is_back() { [ "$(alice fleet shards --json | json '[s["state"] for s in d["result"]["shards"]]')" = "['failed']" ]; }

# --- roles
plan_of roles 'approvals: 2'
expect_error 5 REFUSED 'vera may not' vera rollout approve "$T/roles.plan"
expect_error 5 REFUSED 'otto may not' otto rollout approve "$T/roles.plan"
expect_error 5 REFUSED 'vera may not' vera rollout start "$T/roles.plan"
expect_error 5 REFUSED 'vera may not' vera rollout plan "$T/roles.yaml" -o "$T/vera.plan"
expect_exit 0 vera rollout status roles
check 'nobody has approved' same "$(given roles)" 0

# --- the author, the same operator twice, too few, a rejection
expect_error 5 APPROVAL "the author can't approve" alice rollout approve "$T/roles.plan"
expect_error 5 APPROVAL '0 of 2' alice rollout start "$T/roles.plan"
expect_exit 0 bob rollout approve "$T/roles.plan" --reason 'read it'
check 'an approver is told what is signed' contains "$(cat "$T/out")" "digest     $(alice rollout status roles --json | json 'd["result"]["plan_digest"]')"
expect_error 5 APPROVAL 'has approved rollout roles already' bob rollout approve "$T/roles.plan"
expect_error 5 APPROVAL '1 of 2' alice rollout start "$T/roles.plan"
expect_error 5 APPROVAL '1 of 2' alice rollout start "$T/roles.plan" --dry-run
expect_error 2 USAGE 'needs --reason' carol rollout reject "$T/roles.plan"
expect_exit 0 carol rollout reject "$T/roles.plan" --reason 'on a friday?'
expect_error 5 APPROVAL 'one rejection vetoes' alice rollout start "$T/roles.plan"
expect_error 5 APPROVAL 'one rejection vetoes' carol rollout approve "$T/roles.plan"
check 'it is told' same "$(state roles vetoed) $(given roles)" 'true 1'
expect_error 5 STATE 'a plan that was not started (rejected)' alice rollout watch roles
untouched 'roles and a veto'

# --- an approval that runs out, and is given again
plan_of late
expect_exit 0 bob rollout approve "$T/late.plan" --expires 1s
gone() { [ "$(given late)" = 0 ]; }
wait_for 10 'the approval to expire' gone
check 'it is a draft again' same "$(state late) $(flaw_of late bob)" 'draft expired'
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/late.plan"
expect_exit 0 bob rollout approve "$T/late.plan"
check 'it may be given again' same "$(state late) $(given late)" 'approved 1'
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 60 'the agent to be back' fleet_has_shards 1
check 'and that is remembered' same "$(state late) $(given late)" 'approved 1'

# --- an agent that knows of a newer trust file than its coordinator: bob has left
trust_with "$T/trust-2" --replaces "$T/trust" --operator "$T/carol/carol.pub=approver"
sed -i 's|^trust: .*|trust: ../trust-2|' "$T/agent-one/agent.yaml"
fleet_agent_stop one
fleet_agent_start one
wait_for 60 'the agent to be back' fleet_has_shards 1
expect_exit 0 alice rollout start "$T/late.plan" # this coordinator would
expect_exit 1 alice rollout watch late
check 'the agent would not' same "$(alice rollout status late --shards --json |
    json '[(s["outcome"], s["code"]) for s in d["result"]["shards"]]')" "[('refused', 'APPROVAL')]"
alice rollout abort late >/dev/null
untouched 'an approver who has left'

# --- and a coordinator that knows: what bob said before no longer counts
plan_of after
expect_exit 0 bob rollout approve "$T/after.plan"
check 'it counts' same "$(state after)" approved
fleet_coordinator_stop
mv "$T/trust-2" "$T/trust"
sed -i 's|^trust: .*|trust: ../trust|' "$T/agent-one/agent.yaml"
fleet_coordinator_start
fleet_agent_stop one
fleet_agent_start one
wait_for 60 'the agent to be back' is_back
check 'it counts no longer' same "$(state after) $(given after)" 'draft 0'
check 'and why is told' contains "$(flaw_of after "$("$BIN/pgtide" key show "$T/bob/bob.pub" --json | json 'd["result"]["keyid"]')")" 'does not know the key'
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/after.plan"
expect_error 5 KEY_UNKNOWN 'no operator' bob rollout approve "$T/after.plan"
expect_exit 0 carol rollout approve "$T/after.plan" --reason fine
expect_exit 0 otto rollout start "$T/after.plan" --reason 'as agreed'
expect_exit 0 alice rollout watch after
check 'it was done' same "$(rows one tenant_0001)" 001_first

# --- who did what, after a restart too
fleet_coordinator_stop KILL
fleet_coordinator_start
check 'who did what' same "$(alice rollout status after --json |
    json '" ".join((e["who"] if not e["who"].startswith("ed25519:") else "gone") + ":" + e["what"] for e in d["result"]["log"])')" \
    'alice:planned gone:approved carol:approved otto:started :succeeded'
check 'and why' same "$(alice rollout status after --json | json '[e["reason"] for e in d["result"]["log"]][2:4]')" "['fine', 'as agreed']"
check 'for people too' grep -qE ' otto +started +as agreed' <(alice rollout status after)
