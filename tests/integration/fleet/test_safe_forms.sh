#!/usr/bin/env bash
# What `revision --safe` writes, rolled out over a fleet while an application writes, the agent killed on the way: each
# shard ends with the schema and the rows that the plain statements would have left.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin safe_forms
fleet_cluster one eu 3 1
sql one postgres 'ALTER SYSTEM SET fsync = off'
sql one postgres 'SELECT pg_reload_conf()' >/dev/null
sql one postgres "CREATE DATABASE plain TEMPLATE tenant_0001 OWNER $FLEET_ROLE"
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
mapfile -t databases < <(fleet_databases one)

project small
revision 001_base '' "CREATE TABLE users (id int PRIMARY KEY, email text, small int);
CREATE TABLE posts (id int PRIMARY KEY, user_id int, body text);
INSERT INTO users SELECT i, 'u' || i, i FROM generate_series(1, 3000) i;
INSERT INTO posts SELECT i, i, 'p' FROM generate_series(1, 3000) i;" 'DROP TABLE posts; DROP TABLE users;'
revision 002_all 001_base "ALTER TABLE users ALTER COLUMN email SET NOT NULL;
ALTER TABLE posts ADD CONSTRAINT posts_user FOREIGN KEY (user_id) REFERENCES users (id);
ALTER TABLE users ADD CONSTRAINT users_email UNIQUE (email);
CREATE INDEX posts_user ON posts (user_id);
ALTER TABLE users ALTER COLUMN small TYPE bigint;" "ALTER TABLE users ALTER COLUMN small TYPE int;
DROP INDEX posts_user;
ALTER TABLE users DROP CONSTRAINT users_email;
ALTER TABLE posts DROP CONSTRAINT posts_user;
ALTER TABLE users ALTER COLUMN email DROP NOT NULL;"
url_of() { cluster_url one "$1" | sed "s,//postgres@,//$FLEET_ROLE@,"; }
fingerprint() { "$BIN/pgtide" schema dump --fingerprint --url "$(url_of "$1")"; }

# --- what the plain statements leave
"$BIN/pgtide" upgrade --config "$PROJECT/pgtide.yaml" --url "$(url_of plain)" >/dev/null
plain=$(fingerprint plain)

# --- every shard at the base, from which the safe forms know the tables
bundle base
rollout_yaml "$T/base.yaml" base "$T/base.bundle" 'target: 001_base' 'waves: [rest]'
started base
wait_for 30 'the base to be there' is_over base
check 'the base is there' same "$(state base)" succeeded
expect_exit 0 "$BIN/pgtide" revision --safe 002_all --write --config "$PROJECT/pgtide.yaml" --url "$(url_of "${databases[0]}")"
check 'nothing is left as it was' same "$(cat "$T/out" "$T/err" | grep -c 'left as it is')" 0
check 'two phases' same "$(cd "$PROJECT/versions" && grep -l '^-- phase: ' -- *.sql | wc -l)" 2
check 'each statement by itself' grep -q '^-- transaction: none' "$PROJECT/versions/002_all.sql"
bundle safe

# --- expand, while an application writes and the agent is killed
for d in "${databases[@]}"; do
    while :; do
        cluster_psql one "$d" -c "UPDATE users SET small = small + 1 WHERE id = 1 + (random() * 2998)::int" || exit 1
    done >/dev/null 2>"$T/load.$d" &
    PIDS+=($!)
    LOADS+=($!)
done
rollout_yaml "$T/expand.yaml" expand "$T/safe.bundle" 'target: 002_all' 'waves: [rest]'
started expand
wait_for 60 'a shard to be at work' eval '[ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '\''pgtide%'\'' AND state = '\''active'\''")" -gt 0 ]'
fleet_agent_stop one KILL
fleet_agent_start one
wait_for 120 'everything to have expanded' is_over expand
check 'everything has expanded' same "$(state expand)" succeeded
for d in "${databases[@]}"; do check "the application of $d was never refused" test ! -s "$T/load.$d"; done

# --- contract, once the old application is gone
kill "${LOADS[@]}"
wait "${LOADS[@]}" || true
rollout_yaml "$T/contract.yaml" contract "$T/safe.bundle" 'waves: [rest]' 'contract: {gate: gone}' \
    'gates: [{name: gone, sql: "SELECT true", when: [before]}]'
wait_for 30 'it to be known that all has expanded' approved contract
alice rollout start "$T/contract.plan" >/dev/null
wait_for 60 'everything to have contracted' is_over contract
check 'everything has contracted' same "$(state contract)" succeeded
for d in "${databases[@]}"; do
    check "$d: the same schema" same "$(fingerprint "$d")" "$plain"
    check "$d: no row is lost" same "$(sql one "$d" "SELECT count(*) || ' ' || count(small) || ' ' || bool_and(small >= id) FROM users")" '3000 3000 true'
    check "$d: each step once" same "$(done_once one "$d")" '3/3'
done
