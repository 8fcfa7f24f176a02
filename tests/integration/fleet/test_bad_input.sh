#!/usr/bin/env bash
# Mistakes: each is said with its place and what to do, has the exit status of its kind, and changes nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin bad_input
fleet_cluster one eu 2 1
fleet_keys one two
fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small

says() { check "says '$1'" contains "$(cat "$T/err")" "$1"; }

# --- the agent's configuration
bad_agent() { # STATUS WORDS SED…: the configuration changed so
    local status=$1 words=$2
    shift 2
    sed "$@" "$T/agent-one/agent.yaml" >"$T/agent-one/bad.yaml"
    expect_exit "$status" "$BIN/pgtide-agent" --config "$T/agent-one/bad.yaml"
    says "$words"
}
bad_agent 2 "did you mean 'clusters'" 's/^clusters:/clsuters:/'
says "bad.yaml:$(grep -n '^clusters:' "$T/agent-one/agent.yaml" | cut -d: -f1)"
bad_agent 2 'discover' 's/discover:/disover:/'
bad_agent 2 'inventory' 's/^inventory: .*/inventory: soon/'
bad_agent 2 'name' '/^name:/d'
bad_agent 2 'nothing.key' 's|^key:.*|key: nothing.key|'
bad_agent 2 'no-trust' 's|^trust:.*|trust: no-trust|'
bad_agent 2 'bad.yaml' '$a\  - {'
expect_exit 2 "$BIN/pgtide-agent" --config "$T/agent-one/none.yaml"
says none.yaml
expect_exit 2 "$BIN/pgtide-agent"
expect_exit 2 "$BIN/pgtide-agent" --confg x
says '--confg'

# --- the coordinator's
bad_coordinator() {
    local words=$1
    shift
    sed "$@" "$T/coordinator/coordinator.yaml" >"$T/coordinator/bad.yaml"
    expect_exit 2 "$BIN/pgtide-coordinator" --config "$T/coordinator/bad.yaml"
    says "$words"
}
bad_coordinator "did you mean 'heartbeat'" 's/^heartbeat:/hartbeat:/'
says 'bad.yaml:6'
bad_coordinator 'heartbeat' 's/^heartbeat:.*/heartbeat: 1h/'
bad_coordinator 'nothing.key' 's|^key:.*|key: nothing.key|'
chmod 644 "$T/coordinator/coordinator.key"
expect_exit 2 "$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml"
says 'coordinator.key'
chmod 600 "$T/coordinator/coordinator.key"
# A second one beside the first.
expect_exit 6 "$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml"

# --- a rollout's file
bad_rollout() { # STATUS CODE WORDS LINE…
    local status=$1 code=$2 words=$3
    shift 3
    rollout_yaml "$T/bad.yaml" bad "$T/small.bundle" "$@"
    expect_error "$status" "$code" "$words" alice rollout plan "$T/bad.yaml" -o "$T/bad.plan"
    check 'no plan' test ! -e "$T/bad.plan"
}
bad_rollout 2 CONFIG "did you mean 'waves'" 'wavs: [rest]'
check 'its line' same "$(json 'd["error"]["line"]' <"$T/out")" 4
bad_rollout 2 CONFIG 'wave' 'waves: [110%]'
bad_rollout 2 CONFIG 'on-failure' 'on-failure: panic'
bad_rollout 2 CONFIG 'gates' 'gates: []'
bad_rollout 2 REVISION_UNKNOWN '042' 'target: 042_none'
bad_rollout 2 EMPTY_SELECTION '' 'select: tier = gold'
bad_rollout 2 USAGE 'select' 'select: "tier = (free"'
sed -i 's/^bundle:.*/bundle: none.bundle/' "$T/bad.yaml"
expect_error 2 NOT_FOUND none.bundle alice rollout plan "$T/bad.yaml" -o "$T/bad.plan"
expect_error 2 NOT_FOUND none.yaml alice rollout plan "$T/none.yaml" -o "$T/bad.plan"

# --- revisions
revision 002_orphan 001_lost 'SELECT 1;' 'SELECT 1;'
expect_exit 2 "$BIN/pgtide" bundle build --config "$PROJECT/pgtide.yaml" --name orphan -o "$T/orphan.bundle"
says 001_lost
says 002_orphan
check 'no bundle' test ! -e "$T/orphan.bundle"
revision 002_orphan 001_first 'SELECT 1;
COMMIT;' 'SELECT 1;'
expect_exit 2 "$BIN/pgtide" bundle build --config "$PROJECT/pgtide.yaml" --name orphan -o "$T/orphan.bundle"
says COMMIT

# --- words
expect_exit 2 alice rollout strat small
says 'start'
expect_exit 2 alice rollout plan --outptu x
says '--outptu'
expect_exit 2 alice rollout status
expect_exit 2 alice fleet admit "$T/none.pub"
expect_exit 6 env PGTIDE_COORDINATOR="ipc://$T/nobody" PGTIDE_TRUST="$T/trust" PGTIDE_KEY="$T/alice/alice.key" \
    "$BIN/pgtide" fleet status --timeout 500ms

# --- a server that can't be reached, one that refuses the password: shown so; no plan over them
fleet_agent two one eu </dev/null &&
    fleet_agent_stop two
as_pg sed -i '1i local all locked scram-sha-256' "$T/one/data/pg_hba.conf"
sql one postgres "CREATE ROLE locked LOGIN PASSWORD 'right'"
sql one postgres 'SELECT pg_reload_conf()' >/dev/null
printf '*:*:*:*:wrong\n' >"$T/passfile"
chmod 600 "$T/passfile"
{
    sed -e '/^clusters:/,$d' "$T/agent-two/agent.yaml"
    cat <<YAML
clusters:
  - {name: gone, host: $T/nowhere, user: $FLEET_ROLE, shards: [{database: tenant_0001}]}
  - {name: locked, host: $T/one/socket, user: locked, passfile: $T/passfile, shards: [{database: tenant_0001}]}
YAML
} >"$T/agent-two/bad.yaml"
mv "$T/agent-two/bad.yaml" "$T/agent-two/agent.yaml"
fleet_agent_start two
message() { alice fleet clusters --json | json "[c['message'] for c in d['result']['clusters'] if c['name'] == '$1'][0]"; }
seen() { [ -n "$(message gone)" ] && [ -n "$(message locked)" ]; }
wait_for 20 'the clusters to be seen' seen
check 'not there' contains "$(message gone)" "can't connect"
check 'the password' contains "$(message locked)" 'password'
check 'the password itself is nowhere' same "$(grep -c wrong "$T/agent-two/agent.log" "$T/coordinator/coordinator.log" | grep -v ':0$')" ''
check 'unreachable' same "$(alice fleet shards --json | json 'sorted(s["name"] for s in d["result"]["shards"] if s["state"] == "unreachable")')" \
    "['gone/tenant_0001', 'locked/tenant_0001']"
rollout_yaml "$T/all.yaml" all "$T/small.bundle"
expect_error 5 REFUSED 'is unreachable' alice rollout plan "$T/all.yaml" -o "$T/all.plan"

for database in tenant_0001 tenant_0002; do
    check "$database: nothing changed" same "$(rows one "$database")$(sql one "$database" "SELECT to_regnamespace('pgtide')")" ''
done
