# Sourced by tests/bench/rollout: the same works by pgtide's whole chain. A work's time is from `rollout plan` to the
# end of the rollout: plan, approval, start, signed commands, fenced steps with history, signed reports, journal.
# No backup is taken, as the other peers take none.

# shellcheck source=deploy/fleet.sh
. deploy/fleet.sh

pgtide_prepare() {
    cat >"$T/bench.yaml" <<YAML
versions: [$PWD/migrations/example/versions, $PWD/tests/bench/versions]
YAML
    fleet_keys bench_agent
    pgtide_bundle eight migrations/example/pgtide.yaml
    pgtide_bundle one "$T/bench.yaml"
}

pgtide_bundle() {
    "$BIN/pgtide" bundle build --quiet --config "$2" --name "$1" -o "$T/$1.bundle"
    "$BIN/pgtide" bundle sign --quiet "$T/$1.bundle" --key "$T/release/release.key"
}

pgtide_begin() {
    fleet_coordinator
    mkdir -p -m 700 "$T/agent-bench_agent/state"
    cat >"$T/agent-bench_agent/agent.yaml" <<YAML
name: bench_agent
key: ../bench_agent/bench_agent.key
trust: ../trust
state: state
coordinator: {endpoint: "$FLEET_ENDPOINT"}
concurrency: 6
clusters:
  - name: bench
    host: $HOST
    port: $PORT
    user: postgres
    pg-bin: $PG_BIN
    discover: SELECT datname, '', '' FROM pg_database WHERE datname LIKE 'tenant%' ORDER BY 1
YAML
    alice fleet admit "$T/bench_agent/bench_agent.pub" >/dev/null
    fleet_agent_start bench_agent
    wait_for 120 "all shards reported" fleet_has_shards "$N"
}

pgtide_end() {
    fleet_agent_stop bench_agent
    fleet_coordinator_stop
    rm -rf "$T/coordinator/state" "$T/agent-bench_agent/state" "$T"/*.plan
}

pgtide_rollout() {
    alice rollout plan --quiet "$T/$1.yaml" -o "$T/$1.plan"
    bob rollout approve --quiet "$T/$1.plan"
    alice rollout start --quiet "$T/$1.plan"
    alice rollout watch --quiet "$T/$1.plan"
}

pgtide_run() {
    cat >"$T/$1.yaml" <<YAML
rollout: $1
bundle: $T/$2.bundle
$3
waves: [rest]
concurrency: {fleet: 6, host: 6, cluster: 6}
backup: {method: none}
approvals: 1
YAML
    timed pgtide_rollout "$1"
}
pgtide_run_eight() { pgtide_run eight eight 'target: head'; }
pgtide_run_one() { pgtide_run one one 'target: head'; }
pgtide_run_back() { pgtide_run back one 'downgrade: 008_add_user_title'; }

pgtide_check() {
    local wanted=008_add_user_title
    [ "$1" != one ] || wanted=009_bench_add_column
    databases_ask "SELECT array_agg(version_num::text) = '{$wanted}' FROM alembic_version" | databases_all true
}
