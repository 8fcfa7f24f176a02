#!/usr/bin/env bash
# Backups of every kind on a real cluster: what is written can be restored, what is damaged or half made is none, and no
# shard is migrated without the backup that its plan asks for.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_begin backups
fleet_keys a
fleet_cluster main eu 4 1
# Something to lose.
for n in 1 2 3 4; do
    sql main "tenant_000$n" "CREATE TABLE kept AS SELECT g AS id, md5(g::text) AS t FROM generate_series(1, 2000) g;
        ALTER TABLE kept OWNER TO $FLEET_ROLE; ALTER TABLE kept ADD PRIMARY KEY (id)"
done
mkdir -p "$T/tools" "$T/identity"
age-keygen -o "$T/identity/offline.key" 2>/dev/null
age-keygen -y "$T/identity/offline.key" >"$T/recipients"
chmod 644 "$T/recipients"
# A command that keeps its backups elsewhere, told by its environment.
cat >"$T/tools/snap" <<'SH'
#!/bin/sh
set -e
store=$(dirname "$0")/store
mkdir -p "$store"
case $1 in
backup)
    env | grep '^PG' | sort >"$store/environment"
    pg_dump -Fc -f "$store/$PGTIDE_OPERATION"
    echo "some progress"
    echo "{\"id\": \"snap-$PGTIDE_OPERATION\", \"size_bytes\": $(stat -c %s "$store/$PGTIDE_OPERATION")}"
    ;;
verify)
    [ ! -e "$store/broken" ] || { echo "the store is broken" >&2; exit 1; }
    pg_restore -f /dev/null "$store/${PGTIDE_BACKUP_ID#snap-}"
    ;;
esac
SH
chmod 755 "$T/tools/snap"
export PATH="$PG_BIN:$PATH"

fleet_coordinator
FLEET_EXTRA="backup:
  age-recipients: ../recipients
backup-commands:
  - name: snap
    command: [$T/tools/snap, backup]
    verify: [$T/tools/snap, verify]
  - name: silent
    command: ['true']
" fleet_agent a main eu
wait_for 60 'the shards to be listed' fleet_has_shards 4
# Failed ones too.
all_listed() { [ "$(alice fleet shards --json | json 'sum(s["state"] != "unreachable" for s in d["result"]["shards"])')" = 4 ]; }
sql main postgres "ALTER ROLE $FLEET_ROLE CREATEDB"

project forge
revision 001_one '' 'CREATE TABLE one (id int PRIMARY KEY);' 'DROP TABLE one;'
bundle one
BACKUPS=$T/agent-a/state/backups
manifest_of() { grep -l "\"database\":\"$1\"" "$BACKUPS"/*/*.manifest; }
field() { json "d['$2']" <"$(manifest_of "$1")"; }
restores() { # FILE: into a new database, equal to the shard's rows
    sql main postgres 'DROP DATABASE IF EXISTS restored' && sql main postgres 'CREATE DATABASE restored'
    PGHOST="$T/main/socket" pg_restore -U postgres --exit-on-error -d restored "$1"
    same "$(sql main restored 'SELECT count(*), md5(string_agg(t, id::text ORDER BY id)) FROM kept')" \
        "$(sql main "$2" 'SELECT count(*), md5(string_agg(t, id::text ORDER BY id)) FROM kept')"
    same "$(sql main restored "SELECT to_regclass('one') IS NULL")" t
}
ran() { # NAME BACKUP SELECT
    rollout_yaml "$T/$1.yaml" "$1" one.bundle "backup: {$2}" "select: database = $3"
    started "$1"
    wait_for 90 "rollout $1 to be over" is_over "$1"
}
succeeded() {
    ran "$@"
    check "rollout $1 succeeded" is_state "$1" succeeded
}

# 1. A directory by two jobs, restored by way of a test.
succeeded directory 'method: directory, jobs: 2, verify: true, restore-test: true, keep: 3' tenant_0001
file=$(manifest_of tenant_0001)
check 'the digest of a directory is what sha256sum says' same \
    "sha256:$(cd "${file%.manifest}.dir" && LC_ALL=C sha256sum -- * | sha256sum | cut -d' ' -f1)" "$(field tenant_0001 sha256)"
check 'a directory can be restored' restores "${file%.manifest}.dir" tenant_0001
check 'the test was timed' test "$(field tenant_0001 restore_test_ms)" -gt 0
check 'what the database is' same "$(field tenant_0001 owner)/$(field tenant_0001 encoding)/$(field tenant_0001 collate)" \
    "$FLEET_ROLE/UTF8/C.UTF-8"
check 'the scratch database is gone' same \
    "$(sql main postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide%'")" 0

# 2. Encrypted on its way: nothing of it is on the disk as it is, and whoever has the identity can restore it.
succeeded secret 'method: dump, encrypt: true, verify: true, restore-test: true' tenant_0002
file=$(manifest_of tenant_0002)
check 'only the encrypted one is there' same "$(cd "$(dirname "$file")" && ls | sed 's/^[0-9a-f]*//' | sort | xargs)" '.dump.age .manifest'
check 'it is encrypted' same "$(head -c 21 "${file%.manifest}.dump.age")" age-encryption.org/v1
check 'its digest is of the encrypted bytes' same "$(field tenant_0002 sha256)" \
    "sha256:$(sha256sum "${file%.manifest}.dump.age" | cut -d' ' -f1)"
age -d -i "$T/identity/offline.key" "${file%.manifest}.dump.age" >"$T/plain.dump"
check 'what was encrypted was hashed too' same "$(field tenant_0002 plaintext_sha256)" \
    "sha256:$(sha256sum "$T/plain.dump" | cut -d' ' -f1)"
check 'it can be restored' restores "$T/plain.dump" tenant_0002
check 'for whom it is' same "$(field tenant_0002 recipients)" \
    "['sha256:$(tr -d '\n' <"$T/recipients" | sha256sum | cut -d' ' -f1)']"
check 'the report says so' same "$(shard_field secret main/tenant_0002 backup | grep -c "'encrypted': True")" 1

# 3. A command.
succeeded command 'method: command, command: snap, verify: true' tenant_0003
check 'what it calls it' same "$(field tenant_0003 id)" "snap-$(field tenant_0003 operation)"
check 'and how large it is' test "$(field tenant_0003 size_bytes)" -gt 1000
check 'it was told whose' contains "$(cat "$T/tools/store/environment")" 'PGTIDE_DATABASE=tenant_0003'
check 'its backup can be restored' restores "$T/tools/store/$(field tenant_0003 operation)" tenant_0003

# 4. What can't be made is refused when planning, with the cluster's name.
refused() { # BACKUP WORDS
    rollout_yaml "$T/r.yaml" refused one.bundle "backup: {$1}" 'select: database = tenant_0004'
    expect_error 1 BACKUP "$2" alice rollout plan "$T/r.yaml" -o "$T/r.plan"
}
refused 'method: command, command: other' 'cluster main: its agent has no backup command other'
refused 'method: command, command: silent, verify: true' "backup command silent can't verify"
wrong() { # BACKUP WORDS
    rollout_yaml "$T/r.yaml" refused one.bundle "backup: {$1}" 'select: database = tenant_0004'
    expect_error 2 CONFIG "$2" alice rollout plan "$T/r.yaml" -o "$T/r.plan"
}
wrong 'method: directory, encrypt: true' "'backup.encrypt' needs 'backup.method: dump'"
wrong 'method: dump, jobs: 3' "'backup.jobs' needs 'backup.method: directory'"
wrong 'method: command' "needs 'backup.command'"

# 5. A backup that fails leaves the shard as it was, whatever made it fail.
untouched() {
    check "no step ran: $1" same "$(rows main tenant_0004)" ''
    check "no backup is there: $1" same "$(manifest_of tenant_0004 || true)" ''
    check "nothing half made is left: $1" same "$(find "$BACKUPS" -name '*.partial*')" ''
}
failed() { # NAME BACKUP WORDS
    ran "$1" "$2" tenant_0004
    check "$1 says why" contains "$(shard_field "$1" main/tenant_0004 message)" "$3"
    untouched "$1"
    alice rollout abort "$1" --reason over >/dev/null 2>&1 || true
}
failed no-answer 'method: command, command: silent, verify: false' "last line does not name the backup"
touch "$T/tools/store/broken"
failed broken-store 'method: command, command: snap, verify: true' 'the store is broken'
fleet_agent_stop a
sed -i 's|^  age-recipients.*|&\n  reserve: 4000000GiB|' "$T/agent-a/agent.yaml"
fleet_agent_start a
wait_for 60 'the shards to be listed' all_listed
failed disk-full 'method: dump, verify: true' 'are free for backups'
fleet_agent_stop a
sed -i '/reserve:/d' "$T/agent-a/agent.yaml"

# 6. The agent is killed in the middle of pg_dump: its next life takes another backup first, and the first's is gone.
mkdir "$T/slow"
for tool in "$PG_BIN"/*; do ln -s "$tool" "$T/slow/${tool##*/}"; done
rm "$T/slow/pg_dump"
cat >"$T/slow/pg_dump" <<SH
#!/bin/sh
case "\$*" in *--version*) exec "$PG_BIN/pg_dump" --version ;; esac
if [ ! -e "$T/go-on" ]; then
    touch "$T/dumping"
    exec "$PG_BIN/psql" -X -q -c 'BEGIN; LOCK TABLE kept IN ACCESS SHARE MODE; SELECT pg_sleep(600)'
fi
exec "$PG_BIN/pg_dump" "\$@"
SH
chmod 755 "$T/slow/pg_dump"
sed -i "s|pg-bin:.*|pg-bin: $T/slow|" "$T/agent-a/agent.yaml"
fleet_agent_start a
wait_for 60 'the shards to be listed' all_listed
rollout_yaml "$T/killed.yaml" killed one.bundle 'backup: {method: dump, verify: true}' 'select: database = tenant_0004'
started killed
wait_for 60 'pg_dump to run' test -e "$T/dumping"
check 'half of it is there' same "$(find "$BACKUPS" -name '*.partial' | wc -l)" 1
fleet_agent_stop a KILL
touch "$T/go-on"
fleet_agent_start a
wait_for 90 'the rollout to be over' is_over killed
check 'it went on' is_state killed succeeded
check 'with a backup of before' restores "$(manifest_of tenant_0004 | sed 's/manifest$/dump/')" tenant_0004
check 'once' same "$(done_once main tenant_0004)" 1/1
check "the killed life's dump has been ended" same \
    "$(sql main postgres "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()")" 0
check 'nothing half made is left' same "$(find "$BACKUPS" -name '*.partial*')" ''

# 7. What lies on the disk is listed, read again, and let go by the agent's rules only.
list() { alice backup list --json "$@" | json "$LIST"; }
LIST="len(d['result']['backups'])"
wait_for 60 'all four to be listed' eval '[ "$(list)" = 4 ]'
check 'a shard alone' same "$(list --shard main/tenant_0002)" 1
check 'by selection' same "$(list --select 'database = tenant_0003')" 1
check 'in the inventory' same "$(alice fleet shards --json | json "sum(s['backup'] is not None for s in d['result']['shards'])")" 4
rm -f "$T/tools/store/broken"
expect_exit 0 alice backup verify main/tenant_0001 main/tenant_0002 main/tenant_0003 main/tenant_0004
file=$(manifest_of tenant_0001)
file=$(ls "${file%.manifest}.dir"/*.gz | head -1)
cp "$file" "$T/sound"
printf '\001' | dd of="$file" bs=1 seek=20 conv=notrunc 2>/dev/null
expect_error 1 BACKUP '1 of 1 backups are damaged' alice backup verify main/tenant_0001
LIST="d['result']['backups'][0]['damage']"
check 'a flipped byte is named' contains "$(list --shard main/tenant_0001)" 'are not those that were written'
cp "$T/sound" "$file"
expect_exit 0 alice backup verify main/tenant_0001
file=$(manifest_of tenant_0004 | sed 's/manifest$/dump/')
truncate -s -10 "$file"
expect_error 1 BACKUP '1 of 1 backups are damaged' alice backup verify main/tenant_0004
touch "$T/tools/store/broken"
expect_error 1 BACKUP '1 of 1 backups are damaged' alice backup verify main/tenant_0003
expect_error 2 NOT_FOUND "no backup of 'main/nobody'" alice backup verify main/nobody
expect_error 5 REFUSED 'needs role admin' bob backup prune
LIST="len(d['result']['may_go'])"
check 'a rollback may need them all' same "$(alice backup prune --dry-run --json | json "$LIST")" 0
fleet_agent_stop a
# As if the time in which the policy may roll back were over.
sed -i 's/"needed_until":"[^"]*"/"needed_until":"2020-01-01T00:00:00Z"/' "$BACKUPS"/*/*.manifest
fleet_agent_start a
wait_for 60 'the shards to be listed' all_listed
wait_for 60 'the damaged one to be the only one that may go' eval '[ "$(alice backup prune --dry-run --json | json "$LIST")" = 1 ]'
check 'nothing went by that' same "$(ls "$BACKUPS"/*/*.manifest | wc -l)" 4
expect_exit 0 alice backup prune --json
check 'the damaged one went' same "$(json "[b['shard'] for b in d['result']['removed']]" <"$T/out")" "['main/tenant_0004']"
check 'and no other' same "$(ls "$BACKUPS"/*/*.manifest | wc -l)" 3
