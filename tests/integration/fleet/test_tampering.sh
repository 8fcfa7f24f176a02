#!/usr/bin/env bash
# What was signed counts, and nothing else: changed bundles, plans and blobs, keys that nobody admitted, names that are
# another's. Each is refused with its reason, and no shard is touched.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin tampering
fleet_cluster one eu 3 1
fleet_keys one two mallory
FLEET_HEARTBEAT=100ms FLEET_AGENT_DEADLINE=1s fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small

agents() { alice fleet agents --json | json 'sorted(a["name"] for a in d["result"]["agents"] if a["connected"])'; }
agents_are() { [ "$(agents)" = "$1" ]; }
untouched() { # WHEN
    local database
    for database in $(fleet_databases one); do
        check "$1: $database untouched" same "$(rows one "$database")$(sql one "$database" "SELECT to_regnamespace('pgtide')")" ''
    done
}
flip() { # FILE OFFSET: one bit of one byte
    /usr/bin/python3 - "$1" "$2" <<'PY'
import sys
path, offset = sys.argv[1], int(sys.argv[2])
data = bytearray(open(path, 'rb').read())
data[offset % len(data)] ^= 1
open(path, 'wb').write(data)
PY
}
flips() { # FILE COUNT KIND: copies $T/bad0.KIND …, each with a bit flipped somewhere else
    /usr/bin/python3 - "$@" "$T" <<'PY'
import sys
path, count, to = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
data = open(path, 'rb').read()
for i in range(count):
    bad = bytearray(data)
    bad[len(data) * i // count + min(i, 3)] ^= 1
    open(f'{to[1]}/bad{i}.{to[0]}', 'wb').write(bad)
PY
}
size() { stat -c %s "$1"; }

# --- a changed bundle: every part of it
refused() { # WHAT CMD…: exit status 5, or 2 when it can't even be read
    local what=$1 status=0
    shift
    "$@" --json >"$T/out" 2>"$T/err" || status=$?
    check "$what: refused ($status)" test "$status" -eq 5 -o "$status" -eq 2
    check "$what: and why" grep -q '"error":{"code":"[A-Z_]*","message":"..' "$T/out"
}
rollout_yaml "$T/bad.yaml" bad "$T/bad.bundle"
flips "$T/small.bundle" 12 bundle
for part in "$T"/bad[0-9]*.bundle; do
    refused "${part##*/}: verify" "$BIN/pgtide" bundle verify "$part" --trust "$T/trust"
    mv "$part" "$T/bad.bundle"
    refused "${part##*/}: plan" alice rollout plan "$T/bad.yaml" -o "$T/bad.plan"
done
check 'no plan was written' test ! -e "$T/bad.plan"
head -c $(($(size "$T/small.bundle") / 2)) "$T/small.bundle" >"$T/bad.bundle"
refused 'half a bundle' "$BIN/pgtide" bundle verify "$T/bad.bundle" --trust "$T/trust"
# The same revisions, signed by a key without that role.
rm "$T/bad.bundle"
"$BIN/pgtide" bundle build --config "$PROJECT/pgtide.yaml" --name forged -o "$T/bad.bundle" >/dev/null
expect_error 5 SIGNATURE_INVALID '' alice rollout plan "$T/bad.yaml" -o "$T/bad.plan"
"$BIN/pgtide" bundle sign "$T/bad.bundle" --key "$T/mallory/mallory.key" >/dev/null
refused 'signed by a stranger' "$BIN/pgtide" bundle verify "$T/bad.bundle" --trust "$T/trust"
refused 'signed by a stranger: plan' alice rollout plan "$T/bad.yaml" -o "$T/bad.plan"

# --- a changed plan
rollout_yaml "$T/good.yaml" good "$T/small.bundle"
plan good
flips "$T/good.plan" 8 plan
for part in "$T"/bad[0-9]*.plan; do
    refused "${part##*/}: approve" bob rollout approve "$part"
    refused "${part##*/}: start" alice rollout start "$part"
done
check 'none of it counted' same "$(alice rollout status good --json | json 'd["result"]["approvals"]["given"]')" 0
untouched 'changed plans'

# --- the coordinator's own blobs changed on its disk: the agent does not believe them
bob rollout approve "$T/good.plan" >/dev/null
fleet_coordinator_stop
bundle_blob=$(sha256sum "$T/small.bundle" | cut -d' ' -f1)
blob=$T/coordinator/state/blobs/$bundle_blob
check 'the bundle is among the blobs' test -f "$blob"
cp "$blob" "$T/blob"
chmod u+w "$blob"
flip "$blob" $(($(size "$blob") / 2))
fleet_coordinator_start
wait_for 20 'all shards reported' fleet_has_shards 3
alice rollout start good >/dev/null
wait_for 30 'it to come to nothing' is_over good
check 'halted' same "$(state good)" halted
check 'refused by the agent' same "$(alice rollout status good --shards --json |
    json 'sorted(set((s["outcome"], s["code"]) for s in d["result"]["shards"] if s["outcome"]))')" "[('refused', 'DIGEST_MISMATCH')]"
untouched 'a changed bundle on the coordinator'
cp "$T/blob" "$blob"
alice rollout abort good >/dev/null

rollout_yaml "$T/again.yaml" again "$T/small.bundle"
approved again
for blob in $(alice rollout status again --json | json '" ".join(d["result"][k].split(":")[1] for k in d["result"] if k.endswith("blob_digest"))'); do
    fleet_coordinator_stop
    blob=$T/coordinator/state/blobs/$blob
    check 'it is among the blobs' test -f "$blob"
    chmod u+w "$blob"
    for offset in 40 $(($(size "$blob") - 40)); do
        flip "$blob" "$offset"
        expect_exit 5 "$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml"
        check "its own plan changed at $offset: it does not start" contains "$(cat "$T/err")" 'is damaged on disk'
        flip "$blob" "$offset"
    done
    fleet_coordinator_start
done
wait_for 20 'the agent to be back' agents_are "['one']"
untouched 'a changed plan on the coordinator'

# --- operators that are none
expect_exit 5 operator mallory fleet status --timeout 2s
expect_exit 5 operator mallory rollout start again --timeout 2s
expect_exit 5 operator two rollout approve "$T/again.plan" --timeout 2s
expect_exit 5 bob fleet admit "$T/mallory/mallory.pub"
check 'an approver admits nobody' contains "$(cat "$T/err")" 'admin'
check 'nothing was started' same "$(state again)" approved

# --- agents that are none
said() { grep -q "$1" "$T/coordinator/coordinator.log"; }
mkdir -m 700 "$T/agent-two"
sed -e 's/^name: one/name: two/' -e 's|key: ../one/one.key|key: ../two/two.key|' -e 's/  - name: one/  - name: second/' \
    -e 's/FROM tenants/FROM tenants WHERE false/' "$T/agent-one/agent.yaml" >"$T/agent-two/agent.yaml"
fleet_agent_start two
wait_for 20 'the stranger to be refused' said event=bus.connection_refused
check 'not let in' same "$(agents)" "['one']"
fleet_agent_stop two
alice fleet admit "$T/two/two.pub" >/dev/null
fleet_agent_start two
wait_for 20 'the agent to be let in' agents_are "['one', 'two']"
fleet_agent_stop two

# Admitted as two, it says that it is one.
sed -i -e 's/^name: two/name: one/' -e 's/  - name: second/  - name: one/' "$T/agent-two/agent.yaml"
fleet_agent_start two
wait_for 20 'the false name to be refused' said 'a report in the name of agent one'
wait_for 20 'only the true one to be there' agents_are "['one']"
fleet_agent_stop two
sed -i -e 's/^name: one/name: two/' -e 's/  - name: one/  - name: second/' "$T/agent-two/agent.yaml"

# --- a revoked agent is not heard, and gets nothing
fleet_agent_start two
wait_for 20 'the agent to be let in' agents_are "['one', 'two']"
expect_exit 0 alice fleet revoke "$T/one/one.pub" --reason stolen
wait_for 20 'the revoked agent to be down' agents_are "['two']"
expect_exit 6 alice rollout start again
check 'and why' contains "$(cat "$T/err")" 'not listed by any agent'
expect_exit 5 alice fleet admit "$T/one/one.pub"
check 'a revoked key does not come back' contains "$(cat "$T/err")" 'revoked'
fleet_agent_stop one
fleet_agent_start one
count=$(grep -c event=bus.connection_refused "$T/coordinator/coordinator.log")
refused_again() { [ "$(grep -c event=bus.connection_refused "$T/coordinator/coordinator.log")" -gt "$count" ]; }
wait_for 20 'the revoked agent to be refused' refused_again
check 'it stays out' same "$(agents)" "['two']"
untouched 'in the end'
