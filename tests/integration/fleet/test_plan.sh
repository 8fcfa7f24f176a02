#!/usr/bin/env bash
# What a plan tells before anybody signs it, and from its file alone; who came after it; what a name means.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin plan
fleet_cluster one eu 6 1
fleet_keys one
fleet_coordinator
fleet_agent one one eu
wait_for 60 'all shards reported' fleet_has_shards 6
project small
revision 001_first '' 'CREATE TABLE first (id int);' 'DROP TABLE first;'
revision 002_second 001_first 'CREATE TABLE second (id int);' 'DROP TABLE second;'
sed -i '/^-- +downgrade/,$d; s/^-- message:.*/&\n-- irreversible: the old rows are gone/' "$PROJECT/versions/002_second.sql"
bundle small
told() { alice rollout plan --show "$T/$1.plan" --json | json "d['result']$2"; }

# --- nothing was run here yet: no estimate, the whole size for the backup
rollout_yaml "$T/first.yaml" first "$T/small.bundle" 'target: 001_first' 'waves: [1, 2]' 'order: random' \
    'budget: {wave: 1, fleet: 2, host: 1, labels: {tier: 50%}}' 'concurrency: {fleet: 2, host: 2, cluster: 2}' \
    'backup: {method: dump, verify: false}'
alice fleet quarantine one/tenant_0006 --reason 'under repair' >/dev/null
expect_exit 0 alice rollout plan "$T/first.yaml" -o "$T/first.plan"
check 'the last size repeats' same "$(told first '["waves"]' | tr -d '[]{}"' | grep -o "'name': '[^']*'" | tr '\n' ' ')" "'name': '1' 'name': '2' 'name': '2-2' "
check 'who is left out, and why' contains "$(cat "$T/out")" 'left out   one/tenant_0006: quarantined: '
check 'no estimate is made up' contains "$(cat "$T/out")" 'no estimate: 5 of 5 shards have steps that have not been run here'
check 'the worst case on a host' contains "$(cat "$T/out")" 'failures   1 allowed where the host is the same; at worst 3 (one)'
check 'a seed was drawn' contains "$(cat "$T/out")" 'seed       '
seed=$(told first '["seed"]')
sed "s/order: random/order: random($seed)/; s/rollout: first/rollout: again/" "$T/first.yaml" >"$T/again.yaml"
plan again
names() { alice rollout plan --show "$T/$1.plan" --shards --json | json '[s["name"] for s in d["result"]["shard_list"]]'; }
check 'the seed makes the same order' same "$(names again)" "$(names first)"

# --- from the file alone: without a coordinator, with and without the trust file
cp "$T/out" "$T/planned"
expect_exit 0 env PGTIDE_TRUST="$T/trust" "$BIN/pgtide" rollout plan --show "$T/first.plan"
check 'the same words' same "$(grep -v '^written to' "$T/planned")" "$(cat "$T/out")"
expect_exit 0 "$BIN/pgtide" rollout plan --show "$T/first.plan" --shards
check 'unchecked is told' contains "$(cat "$T/err")" 'was not checked'
check 'every shard' contains "$(cat "$T/out")" 'one/tenant_0005'
/usr/bin/python3 - "$T/first.plan" "$T/bad.plan" <<'PY'
import sys
b = bytearray(open(sys.argv[1], 'rb').read())
at = b.rindex(b'tenant_000')
b[at + 9] ^= 1
open(sys.argv[2], 'wb').write(b)
PY
expect_error 5 DIGEST_MISMATCH 'not those its header says' "$BIN/pgtide" rollout plan --show "$T/bad.plan"
expect_error 2 NOT_FOUND none.plan "$BIN/pgtide" rollout plan --show "$T/none.plan"

# --- watching what was not started ends with words
expect_error 5 STATE 'was not started (draft)' alice rollout watch first
bob rollout approve "$T/first.plan" >/dev/null
alice rollout start "$T/first.plan" >/dev/null
expect_exit 0 alice rollout watch first

# --- what was run before makes an estimate; what has no way back is told; what is there already is skipped
alice fleet release one/tenant_0006 --reason mended >/dev/null
rollout_yaml "$T/one.yaml" one "$T/small.bundle" 'target: 001_first' 'backup: {method: dump, verify: false}'
plan one
check 'only the one that was left out' same "$(told one '["shards"]') $(told one '["already_there"]')" '1 5'
check 'an estimate' test "$(told one '["estimate_ms"]')" -gt 0
size=$(alice rollout plan --show "$T/one.plan" --shards --json | json 'd["result"]["shard_list"][0]["size_bytes"]')
check 'its backup is smaller than it' test "$(told one '["backup"]["bytes"]')" -gt 0 -a "$(told one '["backup"]["bytes"]')" -lt "$size"
rollout_yaml "$T/two.yaml" two "$T/small.bundle"
expect_exit 0 alice rollout plan "$T/two.yaml" -o "$T/two.plan"
check 'a step without a way back' contains "$(cat "$T/out")" 'no way back  002_second on 6 shards: the old rows are gone'

# --- who comes later never joins
bob rollout approve "$T/two.plan" >/dev/null
sql one postgres "CREATE DATABASE tenant_0007 OWNER $FLEET_ROLE"
sql one postgres "INSERT INTO tenants VALUES ('tenant_0007', '{\"tier\": \"free\"}')"
came() { [ "$(alice rollout status two --json | json 'd["result"]["newcomers"]')" = 1 ]; }
wait_for 60 'the newcomer to be noticed' came
check 'it is named' contains "$(alice rollout status two)" 'newcomers  1 selected shard came after the plan and is not in it: one/tenant_0007'
alice rollout start "$T/two.plan" >/dev/null
expect_exit 0 alice rollout watch two
check 'it was not taken in' same "$(rows one tenant_0007)" ''
sed 's/rollout: two/rollout: three/' "$T/two.yaml" >"$T/three.yaml"
plan three
check 'the same file is a plan for it' same "$(names three)" "['one/tenant_0007']"

# --- names: two plans of one name; what is under way, or was, is not hidden by a draft
cp "$T/three.yaml" "$T/former.yaml"
sed -i 's/rollout: three/rollout: first/' "$T/former.yaml"
alice rollout plan "$T/former.yaml" -o "$T/former.plan" >/dev/null
expect_exit 0 alice rollout status first
check 'it tells that there are others' contains "$(cat "$T/err")" '1 other plan or rollout of this name'
check 'it is the newest' same "$(state first)" draft
expect_error 2 EMPTY_SELECTION 'no shard stands where rollout first has left it' alice rollout rollback first -o "$T/back.plan"
