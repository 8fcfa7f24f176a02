#!/usr/bin/env bash
# Evidence of a real rollout: approved, paused and resumed by operators, stopped by a failure and taken back, with
# backups and a coordinator that was killed in the middle. It is held against the shards; then every part of it is
# changed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin evidence
fleet_cluster one eu 4 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 4
verify() { PGTIDE_TRUST=$T/trust "$BIN/pgtide" evidence verify "$@"; }

project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE first;'
revision 002_last 001_first "DO \$\$ BEGIN IF current_database() = 'tenant_0003' THEN RAISE 'not here'; END IF; END \$\$;
CREATE TABLE last (id int PRIMARY KEY);" 'DROP TABLE last;'
bundle small
rollout_yaml "$T/first.yaml" first "$T/small.bundle" 'waves: [1, rest]' 'budget: {wave: 0, fleet: 0}' \
    'on-failure: rollback-wave' 'concurrency: {fleet: 1}' 'order: inventory' \
    'backup: {method: dump, compress: 1, verify: true, keep: 3}' 'locks: {timeout: 60s, attempts: 3}'
plan first
expect_exit 0 bob rollout approve "$T/first.plan" --reason 'looked at it'

# --- before it starts, and while it is at work
expect_exit 0 alice rollout evidence first -o "$T/draft.evidence" --json
check 'of a plan that was not started' same "$(json 'd["result"]["rollout"]["state"]' <"$T/out")" approved
hold_lock one tenant_0001
expect_exit 0 alice rollout start "$T/first.plan"
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
expect_exit 0 alice rollout pause first --reason 'a look first'
release_lock
wait_for 20 'the job to end' shard_is first one/tenant_0001 in_flight false
expect_exit 0 bob rollout evidence first -o "$T/paused.evidence"
check 'says that it is not over' contains "$(cat "$T/out")" 'paused: it was not over yet'
expect_error 2 EXISTS 'exists' bob rollout evidence first -o "$T/paused.evidence"
expect_exit 0 bob rollout resume first
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 60 'the rollout to be over' is_over first
check 'it came back' same "$(state first)" rolled-back

# --- what it says, offline
expect_exit 0 alice rollout evidence first -o "$T/first.evidence"
fleet_coordinator_stop
expect_exit 0 verify "$T/first.evidence"
for words in 'rolled-back' 'signed by alice' 'approved by bob' 'looked at it' 'a look first' 'not here' 'genuine'; do
    check "tells: $words" contains "$(cat "$T/out")" "$words"
done
expect_exit 0 verify "$T/first.evidence" --json
cp "$T/out" "$T/story.json"
story() { json "$1" <"$T/story.json"; }
check 'genuine, and over' same "$(story 'str(d["result"]["genuine"]) + str(d["result"]["over"])')" TrueTrue
check 'who asked for what' same \
    "$(story '" ".join(r["operator"] + ":" + r["asked"] for r in d["result"]["requests"])')" 'alice:start alice:pause bob:resume'
for database in $(fleet_databases one); do
    shown=$(story "','.join([s for s in d['result']['shards'] if s['name'] == 'one/$database'][0]['rows'])")
    check "$database: rows as in the shard" same "$shown" "$(rows one "$database")"
done
check 'the failure' same "$(story '"; ".join(f["shard"] + " " + f["outcome"] + " " + f["revision"] for f in d["result"]["failures"])')" \
    'one/tenant_0003 failed 002_last'
check 'the one that failed' same \
    "$(story '[s["outcome"] + " " + str(s["rolled_back"]) for s in d["result"]["shards"] if s["name"] == "one/tenant_0003"][0]')" 'succeeded True'
backups=0
while read -r digest path; do
    check 'a backup is what was signed' same "sha256:$(sha256sum "$T/agent-one/state/backups/$path" | cut -d' ' -f1)" "$digest"
    backups=$((backups + 1))
done < <(story '"\n".join(s["backup"]["sha256"] + " " + s["backup"]["path"] for s in d["result"]["shards"] if s["backup"])')
check 'backups of those that were touched' test "$backups" -ge 2
expect_exit 0 verify "$T/draft.evidence" # still what they were
expect_exit 0 verify "$T/paused.evidence"

# --- every part of it changed
"$BIN/pgtide_flip_evidence" "$T/first.evidence" "$T/trust" >"$T/flips" || { cat "$T/flips"; exit 1; }
for part in 'outer form' 'the index' 'trust file 1' 'the admission of agent one' "the bundle's manifest" 'shard 1 of the plan' \
    'an approval' "an operator's request" 'a report of agent one' 'a decision' 'the plan, signed by its author'; do
    check "named: $part" contains "$(cat "$T/flips")" "$part"
done
at=$(grep -abo 'looked at it' "$T/first.evidence" | head -n 1 | cut -d: -f1)
cp "$T/first.evidence" "$T/changed.evidence"
printf L | dd of="$T/changed.evidence" bs=1 seek="$at" conv=notrunc status=none
expect_error 1 EVIDENCE 'an approval' verify "$T/changed.evidence"
head -c 1000 "$T/first.evidence" >"$T/short.evidence"
expect_error 1 EVIDENCE 'cut off' verify "$T/short.evidence"
expect_error 2 USAGE 'no evidence file' verify "$T/first.plan"
expect_error 2 NOT_FOUND 'nowhere' verify "$T/nowhere"
expect_error 2 USAGE 'no trust file given' env -u PGTIDE_TRUST "$BIN/pgtide" evidence verify "$T/first.evidence"

# --- another fleet's trust file does not vouch for it
mkdir -m 700 "$T/other"
for name in root release alice coordinator; do "$BIN/pgtide" key new "$name" --dir "$T/other" >/dev/null; done
"$BIN/pgtide" trust init --root "$T/other/root.pub" --release "$T/other/release.pub" --operator "$T/other/alice.pub=admin" \
    --coordinator "$T/other/coordinator.pub" --sign "$T/other/root.key" -o "$T/other/trust" >/dev/null
expect_error 5 REFUSED 'another fleet' verify "$T/first.evidence" --trust "$T/other/trust"
