#!/usr/bin/env bash
# Expand and contract: a contract step waits until every shard has expanded and a gate says that the old application is
# gone; looked at when the plan is made and once more when it starts.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin phases
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
mapfile -t databases < <(fleet_databases one)
all_rows() { local d; for d in "${databases[@]}"; do rows one "$d"; done | paste -sd' '; }
known_rows() { # as the coordinator knows them
    alice fleet shards --json | json "' '.join(','.join(s['rows']) for s in d['result']['shards'])"
}
knows() { [ "$(known_rows)" = "$1" ]; }

project small
revision 001_name '' 'CREATE TABLE people (id int PRIMARY KEY, name text);' 'DROP TABLE people;'
revision 002_full_name 001_name 'ALTER TABLE people ADD COLUMN full_name text;' 'ALTER TABLE people DROP COLUMN full_name;'
revision 003_no_name 002_full_name 'ALTER TABLE people DROP COLUMN name;' 'ALTER TABLE people ADD COLUMN name text;'
sed -i 's/^-- message:/-- phase: expand\n&/' "$PROJECT/versions/002_full_name.sql"
sed -i 's/^-- message:/-- phase: contract\n&/' "$PROJECT/versions/003_no_name.sql"
bundle small
check 'show tells' contains "$("$BIN/pgtide" show 003_no_name --config "$PROJECT/pgtide.yaml")" 'Phase: contract'
check 'and JSON' same "$("$BIN/pgtide" show 002_full_name --json --config "$PROJECT/pgtide.yaml" | json "d['result'][0]['phase']")" expand

GATE='gates: [{name: old application gone, person: is the release of October gone?, when: [before]}]'
over() { # NAME TARGET [LINE…]: carries it out
    local name=$1 target=$2
    shift 2
    rollout_yaml "$T/$name.yaml" "$name" "$T/small.bundle" "target: $target" 'waves: [rest]' "$@"
    started "$name"
    wait_for 30 "$name to be over" is_over "$name"
    check "$name succeeded" same "$(state "$name")" succeeded
}
refused() { # WORDS LINE…: a plan to the head is
    local words=$1
    shift
    rollout_yaml "$T/no.yaml" contract-no "$T/small.bundle" 'target: 003_no_name' 'waves: [rest]' "$@"
    expect_error 5 REFUSED "$words" alice rollout plan "$T/no.yaml" -o "$T/no.plan"
}

over first 001_name
refused '003_no_name is a contract step'
refused '003_no_name is a contract step' "$GATE"
rollout_yaml "$T/no.yaml" contract-no "$T/small.bundle" 'target: 003_no_name' 'waves: [rest]' "${GATE/before/after}" \
    'contract: {gate: old application gone}'
expect_error 2 CONFIG 'no gate before the waves' alice rollout plan "$T/no.yaml" -o "$T/no.plan"
refused '3 shards have not replaced' "$GATE" 'contract: {gate: old application gone}'
refused 'has not expanded by 002_full_name' "$GATE" 'contract: {gate: old application gone}'

# --- one shard has expanded: it alone can't go on
over canary 002_full_name "select: database = ${databases[0]}"
check 'the canary expanded' same "$(all_rows)" '002_full_name 001_name 001_name'
refused '2 shards have not replaced' "select: database = ${databases[0]}" "$GATE" 'contract: {gate: old application gone}'
expect_exit 0 alice fleet quarantine "one/${databases[2]}" --reason 'a customer on the phone'
over others 002_full_name
check 'all but one have' same "$(all_rows)" '002_full_name 002_full_name 001_name'
refused "one/${databases[2]}" "$GATE" 'contract: {gate: old application gone}'
rollout_yaml "$T/ok.yaml" contract-two "$T/small.bundle" 'target: 003_no_name' "$GATE" 'waves: [rest]' \
    "contract: {gate: old application gone, shards: \"database != ${databases[2]}\"}"
expect_exit 0 alice rollout plan "$T/ok.yaml" -o "$T/ok.plan"
expect_exit 0 alice rollout plan --show "$T/ok.plan"
check 'the plan says what it takes away' contains "$(cat "$T/out")" "003_no_name takes away what an older application uses: gate 'old application gone'"
check 'and which shards count' contains "$(cat "$T/out")" "002_full_name applied on every shard where database != ${databases[2]}"
check 'for programs too' same "$(alice rollout plan --show "$T/ok.plan" --json | json "' '.join(d['result']['contract']['expands'])")" 002_full_name

# --- everything has: the gate has its say before the first shard
expect_exit 0 alice fleet release "one/${databases[2]}" --reason 'he has hung up'
over third 002_full_name
rollout_yaml "$T/contract.yaml" contract "$T/small.bundle" 'target: 003_no_name' "select: database = ${databases[0]}" \
    'waves: [rest]' "$GATE" 'contract: {gate: old application gone}'
approved contract

# --- a shard outside of the plan steps back meanwhile
expect_exit 0 "$BIN/pgtide" downgrade 001_name --unmanaged 'a customer again' --config "$PROJECT/pgtide.yaml" \
    --url "$(cluster_url one "${databases[2]}" | sed "s,//postgres@,//$FLEET_ROLE@,")"
wait_for 30 'it to be known' knows '002_full_name 002_full_name 001_name'
expect_error 5 REFUSED '1 shard has not replaced' alice rollout start "$T/contract.plan"
check 'nothing was begun' same "$(all_rows)" '002_full_name 002_full_name 001_name'
expect_exit 0 "$BIN/pgtide" upgrade 002_full_name --unmanaged 'a customer again' --config "$PROJECT/pgtide.yaml" \
    --url "$(cluster_url one "${databases[2]}" | sed "s,//postgres@,//$FLEET_ROLE@,")"
wait_for 30 'it to be known' knows '002_full_name 002_full_name 002_full_name'
expect_exit 0 alice rollout start "$T/contract.plan"
wait_for 20 'the gate to wait' is_state contract paused
check 'for the person' contains "$(state contract reason)" 'is the release of October gone?'
check 'nothing is taken away yet' same "$(all_rows)" '002_full_name 002_full_name 002_full_name'
expect_exit 0 alice rollout resume contract --reason 'since Monday'
wait_for 30 'the rollout to be over' is_over contract
check 'taken away' same "$(state contract) $(all_rows)" 'succeeded 003_no_name 002_full_name 002_full_name'

# --- back, and a new shard without anything goes all the way
rollout_yaml "$T/back.yaml" back "$T/small.bundle" 'downgrade: 002_full_name' 'waves: [rest]'
started back
wait_for 30 'back to be over' is_over back
check 'downgrades wait for nothing' same "$(state back)" succeeded

# --- a version table that can't be read is no empty one: the shard may well use what is to be taken away
sql one postgres 'CREATE DATABASE tenant_locked'
sql one tenant_locked "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL);
    INSERT INTO alembic_version VALUES ('001_name')"
sql one postgres "INSERT INTO tenants VALUES ('tenant_locked', '{}')"
locked() { alice fleet shards --json | json "[s['$1'] for s in d['result']['shards'] if s['database'] == 'tenant_locked']"; }
locked_is_listed() { [ "$(locked name)" = "['one/tenant_locked']" ]; }
wait_for 30 'it to be listed' locked_is_listed
check 'it is not new' same "$(locked state)" "['unreachable']"
check 'and why' contains "$(locked message)" 'may not read alembic_version: have SELECT on it granted'
refused 'one/tenant_locked' "select: database = ${databases[0]}" "$GATE" 'contract: {gate: old application gone}'
expect_error 5 REFUSED 'one/tenant_locked is unreachable' alice rollout plan "$T/first.yaml" -o "$T/no.plan"
sql one tenant_locked "GRANT SELECT ON alembic_version TO $FLEET_ROLE"
wait_for 30 'it to be read' knows '002_full_name 002_full_name 002_full_name 001_name'
refused 'it stands at 001_name' "select: database = ${databases[0]}" "$GATE" 'contract: {gate: old application gone}'
sql one tenant_locked "UPDATE alembic_version SET version_num = '002_full_name'"
wait_for 30 'it to be read' knows '002_full_name 002_full_name 002_full_name 002_full_name'

# --- statements that hold an application up are told of when a plan with them is made
rm "$PROJECT/versions/003_no_name.sql"
revision 003_index 002_full_name 'CREATE INDEX people_name ON people (name);' 'DROP INDEX people_name;'
bundle more
rollout_yaml "$T/index.yaml" index "$T/more.bundle" 'waves: [rest]'
expect_exit 0 alice rollout plan "$T/index.yaml" -o "$T/index.plan"
check 'the plan tells' contains "$(cat "$T/err")" '003_index, line 6: CREATE INDEX, of people, under SHARE'
