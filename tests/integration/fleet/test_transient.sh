#!/usr/bin/env bash
# What passes by itself inside a step: a serialization failure and a deadlock, both real ones of PostgreSQL, are tried
# again and end succeeded, once; spent tries are a failure. Then what a person does about failures: mends and retries,
# mends by hand and releases; and stops looking at a rollout, which goes on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin transient
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
single() { PGTIDE_URL="postgresql://$FLEET_ROLE@/$1?host=$T/one/socket" "$BIN/pgtide" "${@:2}" --config "$PROJECT/pgtide.yaml"; }
project small
revision 001_first '' "CREATE TABLE parts (id int, place int, seen int DEFAULT 0) PARTITION BY LIST (place);
CREATE TABLE parts_one PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_two PARTITION OF parts FOR VALUES IN (2);
INSERT INTO parts VALUES (1, 1);
CREATE TABLE left_side (id int);
CREATE TABLE right_side (id int);
CREATE SEQUENCE tries;" 'DROP TABLE parts, left_side, right_side;
DROP SEQUENCE tries;'
revision 002_moved 001_first "SELECT nextval('tries');
UPDATE parts SET seen = seen + 1 WHERE id = 1;" 'UPDATE parts SET seen = seen - 1 WHERE id = 1;'
revision 003_crossed 002_moved "SELECT nextval('tries');
LOCK TABLE left_side;
LOCK TABLE right_side;" 'SELECT 1;'
revision 004_never 003_crossed "SELECT nextval('tries');
DO \$\$ BEGIN IF to_regclass('mended') IS NULL THEN RAISE 'the moon is wrong' USING ERRCODE = '40001'; END IF; END \$\$;" 'SELECT 1;'
bundle small
tries() { sql one tenant_0001 "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM tries"; }
# Another session of the database, which does what it is told.
session_open() {
    mkfifo "$T/session"
    PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U postgres -d "$1" <"$T/session" >"$T/session.log" 2>&1 &
    SESSION_PID=$!
    PIDS+=("$SESSION_PID")
    exec 8>"$T/session"
}
session() { echo "$1" >&8; }
session_close() {
    session '\q'
    exec 8>&-
    wait "$SESSION_PID"
    rm "$T/session"
}
waiting() { # ROLE-PATTERN LOCKTYPE: somebody of the role waits for such a lock
    [ "$(sql one tenant_0001 "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT l.granted AND l.locktype = '$2' AND a.usename = '$1'")" = 1 ]
}
holds() { [ "$(sql one tenant_0001 "SELECT count(*) FROM pg_locks WHERE granted AND relation = '$1'::regclass AND mode = '$2'")" = 1 ]; }
locks='locks: {timeout: 60s, attempts: 5, budget: none}'
step() { rollout_yaml "$T/$1.yaml" "$1" "$T/small.bundle" "target: $2" 'select: database = tenant_0001' "${@:3}"; }
step ground 001_first "$locks"
started ground
wait_for 30 'the ground to be laid' is_over ground

# --- a serialization failure: the row that the step waits for is moved to another partition
session_open tenant_0001
session 'BEGIN; UPDATE parts SET place = 2 WHERE id = 1;'
wait_for 20 'the row to be moved' holds parts RowExclusiveLock
step moved 002_moved "$locks"
started moved
wait_for 30 'the step to wait for the row' waiting "$FLEET_ROLE" transactionid
session 'COMMIT;'
wait_for 30 'the rollout to be over' is_over moved
session_close
check 'it was one' contains "$(cat "$T/one/log")" 'moved to another partition due to concurrent update'
check 'and succeeded' same "$(state moved) $(rows one tenant_0001)" 'succeeded 002_moved'
check 'in its second try' same "$(tries)" 2
check 'once' same "$(sql one tenant_0001 'SELECT seen FROM parts') $(done_once one tenant_0001)" '1 2/2'
check 'nobody failed' same "$(progress moved failures)" 0

# --- a deadlock: the step looks for one before the other does, and is the one that is ended
cluster_psql one postgres -c "ALTER DATABASE tenant_0001 SET deadlock_timeout = '5s'"
session_open tenant_0001
session "SET deadlock_timeout = '10min'; BEGIN; LOCK TABLE right_side;"
wait_for 20 'the right side to be locked' holds right_side AccessExclusiveLock
step crossed 003_crossed "$locks"
started crossed
wait_for 30 'the step to have the left side' holds left_side AccessExclusiveLock
wait_for 30 'the step to wait for the right side' waiting "$FLEET_ROLE" relation
session 'LOCK TABLE left_side; COMMIT;'
wait_for 60 'the rollout to be over' is_over crossed
session_close
check 'it was one' contains "$(cat "$T/one/log")" 'deadlock detected'
check 'the other had what it wanted' same "$(cat "$T/session.log")" ''
check 'and the step succeeded' same "$(state crossed) $(rows one tenant_0001)" 'succeeded 003_crossed'
check 'in its second try' same "$(tries)" 4
check 'once' same "$(done_once one tenant_0001)" 3/3
check 'nobody failed' same "$(progress crossed failures)" 0

# --- tries that are spent are a failure, with what the server said last; mended, it is retried
step never 004_never 'locks: {timeout: 60s, attempts: 3}' 'budget: {wave: 1, fleet: 1}' 'waves: [{first: {size: 1, bake: 10m}}, rest]'
sed -i '/^select/d' "$T/never.yaml"
started never
wait_for 60 'the shard to fail' shard_is never one/tenant_0001 state failed
check 'why' same "$(shard_field never one/tenant_0001 code) $(shard_field never one/tenant_0001 sqlstate) $(shard_field never one/tenant_0001 message)" \
    'BUSY 40001 given up after 3 tries: the moon is wrong'
check 'after three tries' same "$(tries)" 7
check 'nothing of it is there' same "$(rows one tenant_0001) $(done_once one tenant_0001)" '003_crossed 3/3'

# --- whoever stops looking does not stop it
PGTIDE_COORDINATOR=$FLEET_ENDPOINT PGTIDE_TRUST=$T/trust PGTIDE_KEY=$T/alice/alice.key \
    "$BIN/pgtide" rollout watch never >"$T/watched" 2>&1 & # itself: a shell in between would ignore the signal
WATCH_PID=$!
PIDS+=("$WATCH_PID")
wait_for 20 'the watching to begin' grep -q running "$T/watched"
kill -INT "$WATCH_PID"
status=0
wait "$WATCH_PID" || status=$?
check 'its exit status' same "$status" 130
check 'it says that the rollout goes on' contains "$(cat "$T/watched")" 'never was running when last seen, and goes on unwatched'
check 'and where to look' contains "$(cat "$T/watched")" 'rollout status never'
check 'it does' same "$(state never)" running
for database in $(fleet_databases one); do sql one "$database" 'CREATE TABLE mended ()' >/dev/null; done
expect_exit 0 alice rollout retry never --reason 'the moon has changed'
wait_for 60 'the shard to be there' shard_is never one/tenant_0001 state current
check 'the fleet knows' same "$(progress never failures) $(rows one tenant_0001) $(done_once one tenant_0001)" '0 004_never 4/4'
expect_exit 0 alice rollout abort never --reason 'seen enough'
wait_for 30 'it to end' is_state never aborted

# --- a downgrade that fails: mended by hand, and released
shard() { alice fleet shards --json | json "[s for s in d['result']['shards'] if s['name'] == 'one/tenant_0002'][0]['$1']"; }
shard_has() { [ "$(shard "$1")" = "$2" ]; }
project back
revision 001_first '' 'CREATE TABLE plain (id int);' "DROP TABLE plain;
DO \$\$ BEGIN IF to_regclass('kept') IS NOT NULL THEN RAISE 'still in use'; END IF; END \$\$;"
revision 002_last 001_first "DO \$\$ BEGIN IF to_regclass('good') IS NULL THEN RAISE 'not good'; END IF; END \$\$;" 'SELECT 1;'
bundle back
sql one tenant_0002 'CREATE TABLE kept ()' >/dev/null
rollout_yaml "$T/risky.yaml" risky "$T/back.bundle" 'select: database = tenant_0002' 'on-failure: rollback-wave' 'locks: {timeout: 60s, attempts: 1}'
started risky
wait_for 60 'it to be over' is_over risky
check 'neither there nor back' same "$(shard_field risky one/tenant_0002 state) $(rows one tenant_0002)" 'rollback-failed 001_first'
wait_for 20 'it to be set aside' shard_has state rollback-failed
expect_exit 5 alice rollout retry risky --reason 'again'
if [ "$(state risky)" = halted ]; then expect_exit 0 alice rollout abort risky --reason 'by hand'; fi
sql one tenant_0002 'DROP TABLE kept' >/dev/null
expect_exit 0 single tenant_0002 downgrade base --unmanaged 'taken back by hand'
check 'it is still nobody else'"'"'s' same "$(shard state)" rollback-failed
expect_exit 0 alice fleet release one/tenant_0002 --reason 'taken back by hand'
wait_for 30 'the fleet to see where it stands' shard_has rows '[]'
check 'free' shard_has state current
sql one tenant_0002 'CREATE TABLE good ()' >/dev/null
rollout_yaml "$T/fine.yaml" fine "$T/back.bundle" 'select: database = tenant_0002'
started fine
wait_for 60 'the next rollout to be over' is_over fine
check 'as if nothing had been' same "$(state fine) $(rows one tenant_0002) $(shard state)" 'succeeded 002_last current'
