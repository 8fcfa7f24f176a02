#!/usr/bin/env bash
# Backups of every other method are put back too: a directory, an encrypted dump (with its identity, and only then), a
# command's, and one that only the agent's manifest knows.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin restore_methods
fleet_cluster one eu 4 1
sql one postgres "ALTER ROLE $FLEET_ROLE CREATEDB; GRANT pg_signal_backend TO $FLEET_ROLE"
fleet_keys one
mkdir -p -m 700 "$T/identity" "$T/store"
age-keygen -o "$T/identity/age.key" 2>/dev/null
age-keygen -y "$T/identity/age.key" >"$T/recipients"
chmod 644 "$T/recipients"
chmod 640 "$T/identity/age.key"
cat >"$T/keeper" <<SH
#!/bin/sh
set -e
case \$1 in
backup) pg_dump -Fc -f "$T/store/\$PGTIDE_OPERATION" && echo "{\"id\": \"kept-\$PGTIDE_OPERATION\"}" ;;
restore)
    env | grep '^PG' | sort >"$T/store/environment"
    pg_restore --exit-on-error -d "\$PGDATABASE" "$T/store/\${PGTIDE_BACKUP_ID#kept-}" ;;
esac
SH
chmod 755 "$T/keeper"
export PATH="$PG_BIN:$PATH"
FLEET_HEARTBEAT=100ms fleet_coordinator
FLEET_EXTRA="backup:
  age-recipients: ../recipients
backup-commands:
  - name: keeper
    command: [$T/keeper, backup]
" fleet_agent one one eu
wait_for 60 'all shards reported' fleet_has_shards 4

project small
revision 001_notes '' 'CREATE TABLE notes (id int PRIMARY KEY, body text);
INSERT INTO notes SELECT i, md5(i::text) FROM generate_series(1, 100) i;' 'DROP TABLE notes;'
bundle first
cat >"$PROJECT/versions/002_forget.sql" <<'SQL'
-- revision: 002_forget
-- revises: 001_notes
-- message: forget the bodies
-- irreversible: the bodies are gone

-- +upgrade
ALTER TABLE notes DROP COLUMN body;
SQL
bundle second
rollout_yaml "$T/first.yaml" first "$T/first.bundle"
started first
wait_for 60 'the first rollout' is_state first succeeded
forget() { # NAME BACKUP DATABASE
    rollout_yaml "$T/$1.yaml" "$1" "$T/second.bundle" "backup: {$2}" "select: database = $3"
    started "$1"
    wait_for 60 "rollout $1" is_state "$1" succeeded
}
forget directory 'method: directory, jobs: 2, verify: true, keep: 3' tenant_0001
forget secret 'method: dump, encrypt: true, verify: true, keep: 3' tenant_0002
forget command 'method: command, command: keeper, verify: false' tenant_0003
forget plain 'method: dump, verify: true, keep: 3' tenant_0004

restore() { # ROLLOUT DATABASE ARGUMENT…
    local rollout=$1-restore database=$2
    shift 2
    rm -f "$T/restore.plan"
    ! is_state "$rollout" halted 2>/dev/null || alice rollout abort "$rollout" --reason 'the next try' >/dev/null
    alice backup restore "one/$database" "$@" -o "$T/restore.plan" >/dev/null
    bob rollout approve "$T/restore.plan" >/dev/null
    alice rollout start "$T/restore.plan" >/dev/null
    wait_for 120 "$rollout to be over" is_over "$rollout"
}
refused() { # ROLLOUT DATABASE WORDS
    restore "$1" "$2"
    check "$1: not restored" is_state "$1-restore" halted
    check "$1: why" contains "$(shard_field "$1-restore" "one/$2" message)" "$3"
    check "$1: as it was" same "$(rows one "$2")" 002_forget
}
restored() { # ROLLOUT DATABASE
    check "$1: restored" is_state "$1-restore" succeeded
    check "$1: at the rows before" same "$(rows one "$2")" 001_notes
    check "$1: with all that was there" same "$(sql one "$2" 'SELECT count(*), count(DISTINCT body) FROM notes')" '100|100'
}
listings() { grep -c event=inventory.ready "$T/agent-one/agent.log"; }
restarted() { # SED-SCRIPT for its file
    fleet_agent_stop one
    sed -i "$1" "$T/agent-one/agent.yaml"
    local before
    before=$(listings)
    listed_anew() { [ "$(listings)" -gt "$before" ]; }
    fleet_agent_start one
    wait_for 60 'the agent to list its shards' listed_anew
}

restore directory tenant_0001
restored directory tenant_0001

refused secret tenant_0002 'this agent has no identity that reads it'
refused command tenant_0003 "backup command 'keeper' has made it, and can't restore"
restarted "s|^  age-recipients:.*|&\n  age-identity: $T/identity/age.key|; s|^    command: .*|&\n    restore: [$T/keeper, restore]|"
refused secret tenant_0002 'others may use the age identity'
chmod 600 "$T/identity/age.key"
age-keygen -o "$T/identity/other.key" 2>/dev/null
cp "$T/identity/age.key" "$T/identity/right.key"
cat "$T/identity/other.key" >"$T/identity/age.key"
refused secret tenant_0002 'age ended with status 1'
cat "$T/identity/right.key" >"$T/identity/age.key"
restore secret tenant_0002
restored secret tenant_0002

restore command tenant_0003
restored command tenant_0003
check 'the command was told where to' contains "$(cat "$T/store/environment")" 'PGDATABASE=pgtide_new_'
check 'and whose it is' contains "$(cat "$T/store/environment")" 'PGTIDE_DATABASE=tenant_0003'

# --- a backup whose rollout the coordinator does not know (its journal was lost since): the agent's manifest does
manifest=$(grep -l '"database":"tenant_0004"' "$T"/agent-one/state/backups/*/*.manifest)
operation=$(json 'd["operation"]' <"$manifest")
other=00112233445566778899aabbccddeeff
folder=$(dirname "$manifest")
sed "s/$operation/$other/g; s/$(json 'd["rollout"]' <"$manifest")/00000000-0000-4000-8000-000000000001/" "$manifest" >"$folder/$other.manifest"
chmod 600 "$folder/$other.manifest"
mv "$folder/$operation.dump" "$folder/$other.dump"
rm "$manifest"
restarted ''
listed() { alice backup list --json | json '[b["id"] for b in d["result"]["backups"]]' | grep -q "$other"; }
wait_for 30 'the backup to be listed' listed
restore plain tenant_0004 --backup "$other"
restored plain tenant_0004
