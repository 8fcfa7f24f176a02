#!/usr/bin/env bash
# A rehearsal in a plan: told from the signed plan with estimates by the shards' sizes, asked for by `rehearsal: required`,
# and refused when it is of another bundle or lacks a step.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin rehearsal
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
for d in 1 2 3; do
    sql one "tenant_000$d" 'CREATE TABLE big (id int, v int)'
    sql one "tenant_000$d" "ALTER TABLE big OWNER TO $FLEET_ROLE"
done
sql one tenant_0002 'INSERT INTO big SELECT g, g FROM generate_series(1, 200000) g'
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_rewrite 001_first 'ALTER TABLE big ALTER COLUMN v TYPE bigint;' 'SELECT 1;'
bundle small
url="postgresql://postgres@/tenant_0001?host=$T/one/socket"
rehearse() { "$BIN/pgtide" rehearse --url "$url" "$@" >/dev/null; }

# --- required, and not there
rollout_yaml "$T/first.yaml" first "$T/small.bundle" 'rehearsal: required'
expect_error 5 REFUSED 'asks for a rehearsal' alice rollout plan "$T/first.yaml" -o "$T/first.plan"
sed -i 's/required/perhaps/' "$T/first.yaml"
expect_error 2 CONFIG "'rehearsal' can only be 'required'" alice rollout plan "$T/first.yaml" -o "$T/first.plan"
sed -i 's/perhaps/required/' "$T/first.yaml"

# --- not one, of another bundle, of too few steps
echo '{}' >"$T/none.rehearsal"
expect_error 2 CONFIG 'is no rehearsal' alice rollout plan "$T/first.yaml" -o "$T/first.plan" --rehearsal "$T/none.rehearsal"
rehearse --bundle "$T/small.bundle" 001_first -o "$T/half.rehearsal"
expect_error 5 REFUSED '002_rewrite is not in the rehearsal' alice rollout plan "$T/first.yaml" -o "$T/first.plan" --rehearsal "$T/half.rehearsal"
bundle other
rehearse --bundle "$T/other.bundle" -o "$T/other.rehearsal"
expect_error 5 REFUSED 'not a rehearsal of this bundle' alice rollout plan "$T/first.yaml" -o "$T/first.plan" --rehearsal "$T/other.rehearsal"
check 'no plan was made' test ! -e "$T/first.plan"

# --- of a shard of the fleet, which its agent reads
databases() { sql one postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide%'"; }
expect_exit 0 alice rehearse --shard one/tenant_0002 --bundle "$T/small.bundle" -o "$T/shard.rehearsal" --scratch-url "$url"
check 'its steps' contains "$(cat "$T/out")" '2 of 2 steps'
check 'by its own sizes' grep -q 'rewrite: .* there about [0-9.]* .*, for [0-9.]* MiB' "$T/out"
check 'no copy is left' same "$(databases)" 0
check 'nothing has run there' same "$(rows one tenant_0002)" ''
expect_error 2 USAGE 'is for --shard' alice rehearse --url "$url" --bundle "$T/small.bundle" --timeout 5s
expect_error 2 USAGE 'only its schema is copied' alice rehearse --shard one/tenant_0002 --bundle "$T/small.bundle" --clone
expect_error 2 NOT_FOUND tenant_0009 alice rehearse --shard one/tenant_0009 --bundle "$T/small.bundle"

# --- the right one
rehearse --bundle "$T/small.bundle" --dump -o "$T/small.rehearsal"
expect_exit 0 alice rollout plan "$T/first.yaml" -o "$T/first.plan" --rehearsal "$T/small.rehearsal"
check 'told' contains "$(cat "$T/out")" 'on a copy (dump) of tenant_0001'
check 'each step' contains "$(cat "$T/out")" 'rehearsed  002_rewrite, rewrite: there about'
check 'and the largest shard' contains "$(cat "$T/out")" 'longest on one/tenant_0002, by its size: about'
expect_exit 0 bob rollout plan --show "$T/first.plan" --json
check 'in what is signed' same "$(json "d['result']['rehearsal']['sha256'] + ' ' + str(d['result']['rehearsal_required'])" <"$T/out")" "sha256:$(sha256sum "$T/small.rehearsal" | cut -d' ' -f1) True"
bob rollout approve "$T/first.plan" >/dev/null
alice rollout start "$T/first.plan" >/dev/null
wait_for 60 'the rollout to be over' is_over first
check 'it runs as any other' same "$(state first) $(rows one tenant_0002)" 'succeeded 002_rewrite'
expect_exit 0 alice rollout rollback first -o "$T/back.plan"
