# Sourced by deploy/demo and the integration tests after tests/lib/cluster.sh: a fleet of local processes below $T.
#
#   fleet_keys HOST…              keys, each in its owner's 0700 directory, and the trust file
#   fleet_coordinator             starts it and waits until it answers
#   fleet_agent NAME CLUSTER REGION   admits and starts one
#   alice …, bob …                the command line with that operator's key
#   fleet_has_shards N            true when the coordinator knows N reachable shards
#   fleet_rollout_file FILE NAME BUNDLE [KEY: VALUE LINES…]

FLEET_ENDPOINT=
operator() {
    local name=$1
    shift
    PGTIDE_COORDINATOR=$FLEET_ENDPOINT PGTIDE_TRUST=$T/trust PGTIDE_KEY=$T/$name/$name.key NO_COLOR=${colour-1} \
        "$BIN/pgtide" "$@"
}
alice() { operator alice "$@"; }
bob() { operator bob "$@"; }

fleet_key() {
    local owner=$1
    mkdir -p -m 700 "$T/$owner"
    "$BIN/pgtide" key new "$owner" --dir "$T/$owner" >/dev/null
}

fleet_keys() {
    local owner
    for owner in root release alice bob coordinator "$@"; do fleet_key "$owner"; done
    "$BIN/pgtide" trust init --root "$T/root/root.pub" --root-threshold 1 \
        --release "$T/release/release.pub" --release-threshold 1 \
        --operator "$T/alice/alice.pub=admin" --operator "$T/bob/bob.pub=approver" \
        --coordinator "$T/coordinator/coordinator.pub" \
        --sign "$T/root/root.key" -o "$T/trust" >/dev/null
}
