#!/usr/bin/env bash
# Production has a fleet of its own, with keys of its own, and requires what staging's evidence proves: that a rollout
# of the very same bundle has succeeded there. The evidence is held against staging's trust file when the plan is made.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin promotion-evidence
STAGE=$T/staging

# --- staging: one rollout that succeeds, one that does not, one that takes the first back
fleet_cluster one eu 2 1
fleet_keys stager
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent stager one eu
wait_for 30 'all shards reported' fleet_has_shards 2
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
revision 002_other 001_first "DO \$\$ BEGIN RAISE 'not here'; END \$\$;" 'DROP TABLE other;'
bundle other
rollout_yaml "$T/stage.yaml" stage "$T/small.bundle"
started stage
wait_for 30 'staging to be over' is_over stage
alice rollout evidence stage -o "$T/stage.evidence" >/dev/null
rollout_yaml "$T/bad.yaml" bad "$T/other.bundle"
started bad
wait_for 30 'the bad one to be over' is_over bad
alice rollout evidence bad -o "$T/bad.evidence" >/dev/null
alice rollout abort bad --reason 'not now' >/dev/null
wait_for 30 'it to be aborted' is_state bad aborted
expect_exit 0 alice rollout rollback stage -o "$T/undo.plan"
bob rollout approve "$T/undo.plan" >/dev/null
alice rollout start "$T/undo.plan" >/dev/null
wait_for 30 'it to be taken back' is_over stage-rollback
alice rollout evidence stage-rollback -o "$T/undo.evidence" >/dev/null
fleet_agent_stop stager
fleet_coordinator_stop
mkdir "$STAGE"
mv "$T"/{root,release,alice,bob,coordinator,stager,agent-stager,trust,*.evidence,*.bundle} "$STAGE"

# --- production
fleet_cluster two us 2 11
fleet_keys two
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent two two us
wait_for 30 'all shards reported' fleet_has_shards 2
cp "$STAGE/stage.evidence" "$STAGE/bad.evidence" "$STAGE/undo.evidence" "$T"
cp "$STAGE/trust" "$T/staging.trust"
for name in small other; do # the same bundles, signed here too
    cp "$STAGE/$name.bundle" "$T/$name.bundle"
    "$BIN/pgtide" bundle sign "$T/$name.bundle" --key "$T/release/release.key" >/dev/null
done
requiring() { # NAME BUNDLE REQUIREMENT [LINE]
    rollout_yaml "$T/$1.yaml" "$1" "$T/$2.bundle" "requires: [{$3}]" "${@:4}"
}
refused() { # STATUS CODE WORDS BUNDLE REQUIREMENT [LINE]
    requiring wrong "$4" "$5" "${@:6}"
    expect_error "$1" "$2" "$3" alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "no plan: $3" test ! -e "$T/wrong.plan"
}

refused 2 CONFIG 'needs `trust`' small 'evidence: stage.evidence'
refused 2 CONFIG 'belongs to `evidence`' small 'rollout: stage, trust: staging.trust'
refused 2 CONFIG "don't go together" small 'evidence: stage.evidence, trust: staging.trust, labels: {env: staging}'
refused 2 NOT_FOUND 'nowhere' small 'evidence: nowhere, trust: staging.trust'
refused 2 NOT_FOUND 'nowhere' small 'evidence: stage.evidence, trust: nowhere'
refused 5 REFUSED 'rollout stage was of another bundle' other 'evidence: stage.evidence, trust: staging.trust'
check 'both are named' contains "$(cat "$T/error")" 'of bundle small, this one is sha256:'
check 'where' contains "$(cat "$T/error")" "$T/wrong.yaml"
refused 5 REFUSED 'it is of rollout stage, not of prod' small 'evidence: stage.evidence, trust: staging.trust, rollout: prod'
refused 5 REFUSED 'rollout bad had not succeeded: it was halted' other 'evidence: bad.evidence, trust: staging.trust'
refused 5 REFUSED 'took another one back' small 'evidence: undo.evidence, trust: staging.trust'
refused 5 REFUSED 'the direction of rollout stage was upgrade, here it is downgrade' small \
    'evidence: stage.evidence, trust: staging.trust' 'downgrade: base'
refused 5 REFUSED 'another fleet' small 'evidence: stage.evidence, trust: trust'
refused 2 USAGE 'no evidence file' small 'evidence: staging.trust, trust: staging.trust'
size=$(stat -c %s "$T/stage.evidence")
for at in 40 $((size / 2)) $((size - 1)); do # pgtide_flip_evidence changes every byte of such a file
    cp "$T/stage.evidence" "$T/changed.evidence"
    byte=$(od -An -tu1 -j "$at" -N 1 "$T/changed.evidence" | tr -d ' ')
    printf "\\x$(printf %02x $((byte ^ 1)))" | dd of="$T/changed.evidence" bs=1 seek="$at" conv=notrunc status=none
    refused 1 EVIDENCE 'changed.evidence' small 'evidence: changed.evidence, trust: staging.trust'
done

# --- the one that holds: in the signed plan, shown, approved, rolled out
requiring prod small 'evidence: stage.evidence, trust: staging.trust'
expect_exit 0 alice rollout plan "$T/prod.yaml" -o "$T/prod.plan"
digest() { echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"; }
rm "$T/stage.evidence" # nobody needs it any more, and nobody can say that it was another one
for words in 'that rollout stage (' 'has succeeded with this bundle' "$(digest "$STAGE/stage.evidence")" "$(digest "$T/staging.trust")"; do
    check "told by the plan: $words" contains "$(cat "$T/out")" "$words"
done
expect_exit 0 "$BIN/pgtide" rollout plan "$T/prod.plan" --show --trust "$T/trust" --json
shown() { json "d['result']['requires'][0]$1" <"$T/out"; }
check 'which rollout' same "$(shown "['rollout']") $(shown "['evidence']['target']")" 'stage head'
check 'which file' same "$(shown "['evidence']['sha256']")" "$(digest "$STAGE/stage.evidence")"
check 'against which trust file' same "$(shown "['evidence']['trust_sha256']")" "$(digest "$T/staging.trust")"
check 'of the same bundle' same "$(shown "['evidence']['bundle_digest']")" "$(json "d['result']['bundle_digest']" <"$T/out")"
expect_exit 0 "$BIN/pgtide" evidence verify "$STAGE/stage.evidence" --trust "$T/staging.trust" --json
check 'as evidence verify says' same "$(json 'd["result"]["sha256"] + d["result"]["fleet"]' <"$T/out")" \
    "$(digest "$STAGE/stage.evidence")$("$BIN/pgtide" rollout plan "$T/prod.plan" --show --trust "$T/trust" --json | json "d['result']['requires'][0]['evidence']['fleet']")"
expect_exit 0 bob rollout approve "$T/prod.plan"
check 'the approver is told' contains "$(cat "$T/out")" 'as the author has verified: evidence sha256:'
check 'and the status' same "$(alice rollout status prod --json | json "d['result']['requires'][0]['rollout']")" stage
expect_exit 0 alice rollout start prod
wait_for 30 'production to be over' is_over prod
check 'there' same "$(state prod) $(rows two tenant_0011) $(rows two tenant_0012)" 'succeeded 001_first 001_first'
