# Sourced by deploy/demo and the integration tests after tests/lib/cluster.sh: a fleet of local processes below $T.
#
#   fleet_cluster NAME REGION COUNT FIRST [k=v ...]   a cluster with COUNT tenant databases (tenant_FIRST …), listed in
#                                   postgres.tenants with their labels, each owned by the role that its agent uses
#   fleet_keys AGENT…               keys, each in its owner's own 0700 directory, and the trust file, with $FLEET_APPROVERS
#                                   beside alice and bob
#   fleet_coordinator               writes its configuration, starts it, waits until it answers
#   fleet_coordinator_start / _stop [SIGNAL]
#   fleet_agent NAME CLUSTER REGION writes its configuration, admits it, starts it
#   fleet_agent_start NAME / fleet_agent_stop NAME [SIGNAL]
#   alice …, bob …                  the command line with that operator's key
#   fleet_has_shards N              true when the coordinator knows N shards and all of them answer
#   fleet_rollout_file FILE NAME BUNDLE   a rollout: one canary, 25%, rest; budget 0; rollback-wave; verified dumps
#   fleet_databases CLUSTER         the tenant databases, one a line

FLEET_ROLE=pgtide_agent
FLEET_ENDPOINT=
declare -A FLEET_PID=()

operator() {
    local name=$1
    shift
    PGTIDE_COORDINATOR=$FLEET_ENDPOINT PGTIDE_TRUST=$T/trust PGTIDE_KEY=$T/$name/$name.key "$BIN/pgtide" "$@"
}
alice() { operator alice "$@"; }
bob() { operator bob "$@"; }

fleet_key() {
    mkdir -p -m 700 "$T/$1"
    "$BIN/pgtide" key new "$1" --dir "$T/$1" >/dev/null
}

fleet_keys() {
    local owner approvers=()
    for owner in root release alice bob coordinator ${FLEET_APPROVERS:-} "$@"; do fleet_key "$owner"; done
    for owner in ${FLEET_APPROVERS:-}; do approvers+=(--operator "$T/$owner/$owner.pub=approver"); done
    "$BIN/pgtide" trust init --root "$T/root/root.pub" --root-threshold 1 \
        --release "$T/release/release.pub" --release-threshold 1 \
        --operator "$T/alice/alice.pub=admin" --operator "$T/bob/bob.pub=approver" \
        "${approvers[@]}" \
        --coordinator "$T/coordinator/coordinator.pub" \
        --sign "$T/root/root.key" -o "$T/trust" >/dev/null
}

# Databases are copies of one template, so that a large fleet is made quickly.
fleet_cluster() {
    local name=$1 region=$2 count=$3 first=$4 i database tier canary
    shift 4
    cluster_start "$name" fsync=on max_connections=100 "$@"
    cluster_psql "$name" postgres <<SQL
CREATE ROLE $FLEET_ROLE LOGIN;
CREATE TABLE tenants (database text PRIMARY KEY, labels jsonb NOT NULL);
GRANT SELECT ON tenants TO $FLEET_ROLE;
CREATE DATABASE tenant_template OWNER $FLEET_ROLE;
SQL
    PGHOST="$T/$name/socket" PGUSER=$FLEET_ROLE PGDATABASE=tenant_template "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 \
        -f "$ROOT/deploy/demo-data.sql"
    for ((i = first; i < first + count; i++)); do
        database=$(printf 'tenant_%04d' "$i")
        case $((i % 3)) in 0) tier=free ;; 1) tier=pro ;; *) tier=enterprise ;; esac
        canary=$([ "$i" -eq 1 ] && echo true || echo false)
        printf 'CREATE DATABASE %s OWNER %s TEMPLATE tenant_template;\n' "$database" "$FLEET_ROLE"
        printf "INSERT INTO tenants VALUES ('%s', '{\"region\": \"%s\", \"tier\": \"%s\", \"canary\": \"%s\"}');\n" \
            "$database" "$region" "$tier" "$canary"
    done | cluster_psql "$name" postgres
    cluster_psql "$name" postgres -c "DROP DATABASE tenant_template"
}

fleet_databases() { cluster_psql "$1" postgres -c "SELECT database FROM tenants ORDER BY 1"; }

fleet_coordinator() {
    mkdir -p -m 700 "$T/coordinator/state"
    FLEET_ENDPOINT="ipc://$T/coordinator/endpoint"
    cat >"$T/coordinator/coordinator.yaml" <<YAML
name: coordinator
key: coordinator.key
trust: ../trust
state: state
listen: $FLEET_ENDPOINT
heartbeat: ${FLEET_HEARTBEAT:-500ms}
silence-deadline: ${FLEET_SILENCE_DEADLINE:-10s}
agent-deadline: ${FLEET_AGENT_DEADLINE:-3s}
YAML
    fleet_coordinator_start
}

fleet_coordinator_start() {
    fleet_start coordinator "$BIN/pgtide-coordinator" "$T/coordinator/coordinator"
    wait_for 30 "the coordinator answers" alice fleet status --timeout 2s
}

# A shell loses a signal that it is sent for a child before the child is the program: then nobody would stop.
fleet_start() { # NAME PROGRAM FILE: the configuration is FILE.yaml, the log FILE.log
    "$2" --config "$3.yaml" >>"$3.log" 2>&1 &
    FLEET_PID[$1]=$!
    PIDS+=($!)
    wait_for 30 "$2 runs" fleet_runs "$!" "$2"
}
fleet_runs() { [ "/proc/$1/exe" -ef "$2" ] || ! kill -0 "$1"; }

# Ends a process of ours and waits until it is gone.
fleet_stop() {
    local pid=${FLEET_PID[$1]}
    kill -"${2:-TERM}" "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}
fleet_coordinator_stop() { fleet_stop coordinator "${1:-TERM}"; }

# One agent of one cluster; lines in $FLEET_EXTRA follow in its list of clusters, $FLEET_FINGERPRINT is its `fingerprint`.
fleet_agent() {
    local name=$1 cluster=$2 region=$3 extra fingerprint='{enabled: true}'
    extra=${FLEET_EXTRA:-}
    fingerprint=${FLEET_FINGERPRINT:-$fingerprint}
    mkdir -p -m 700 "$T/agent-$name/state"
    cat >"$T/agent-$name/agent.yaml" <<YAML
name: $name
key: ../$name/$name.key
trust: ../trust
state: state
host: $name
labels: {host-region: $region}
coordinator: {endpoint: "$FLEET_ENDPOINT"}
inventory: ${FLEET_INVENTORY:-5s}
clusters:
  - name: $cluster
    host: $T/$cluster/socket
    user: $FLEET_ROLE
    pg-bin: $PG_BIN
    discover: SELECT database, '', labels::text FROM tenants ORDER BY 1
$extra
fingerprint: $fingerprint
YAML
    alice fleet admit "$T/$name/$name.pub" >/dev/null
    fleet_agent_start "$name"
}

fleet_agent_start() {
    fleet_start "$1" "$BIN/pgtide-agent" "$T/agent-$1/agent"
}
fleet_agent_stop() { fleet_stop "$@"; }

# A value of a JSON document on standard input: json '.result.shards | length' without jq.
json() { /usr/bin/python3 -c 'import json,sys
d=json.load(sys.stdin)
v=eval(sys.argv[1],{"d":d,"len":len,"sum":sum,"sorted":sorted,"set":set})
print(v if not isinstance(v,bool) else str(v).lower())' "$1"; }

fleet_has_shards() {
    [ "$(alice fleet shards --json | json 'sum(s["state"] in ("new","pending","current") for s in d["result"]["shards"])')" = "$1" ]
}

fleet_rollout_file() {
    cat >"$1" <<YAML
rollout: $2
bundle: $3
target: head
waves:
  - canary: {labels: {canary: "true"}}
  - 25%
  - rest
concurrency: {fleet: 24, host: 8, cluster: 8}
budget: {wave: 0, fleet: 0}
on-failure: rollback-wave
backup: {method: ${FLEET_BACKUP:-dump}, compress: 1, verify: true, keep: 3}
approvals: 1
YAML
}
