#!/usr/bin/env bash
# A step that can't be downgraded is taken back from its backups: into a new database that takes the shard's name, with
# rows, grants, settings, owner, limit and comment as they were. What was written since is not lost unasked.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin restore
fleet_cluster one eu 4 1
fleet_keys one
fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 4

project small
revision 001_notes '' 'CREATE TABLE notes (id serial PRIMARY KEY, body text, secret text);
INSERT INTO notes (body, secret) SELECT md5(i::text), i::text FROM generate_series(1, 200) i;' 'DROP TABLE notes;'
bundle first
cat >"$PROJECT/versions/002_forget.sql" <<'SQL'
-- revision: 002_forget
-- revises: 001_notes
-- message: forget the secrets
-- irreversible: the secrets are gone

-- +upgrade
ALTER TABLE notes DROP COLUMN secret;
SQL
bundle second

# All that a dump shows, and what belongs to the database itself.
image() { # DATABASE
    PGHOST="$T/one/socket" PGUSER=postgres "$PG_BIN/pg_dump" --restrict-key=x --exclude-schema=pgtide "$1"
    sql one postgres "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datconnlimit,
            datallowconn, (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a), shobj_description(oid, 'pg_database')
        FROM pg_database WHERE datname = '$1'"
    sql one postgres "SELECT setrole::regrole, s.setting FROM pg_db_role_setting, unnest(setconfig) s(setting)
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = '$1') ORDER BY 1, 2"
}
oid() { sql one postgres "SELECT oid FROM pg_database WHERE datname = '$1'"; }
kept() { sql one postgres "SELECT datname FROM pg_database WHERE datname LIKE 'pgtide\\_old\\_%$1'"; }
leftovers() { sql one postgres "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide\\_new\\_%'"; }
settings_of() {
    sql one postgres "REVOKE ALL ON DATABASE $1 FROM PUBLIC; GRANT CONNECT ON DATABASE $1 TO app WITH GRANT OPTION;
        GRANT CREATE ON DATABASE $1 TO reader; COMMENT ON DATABASE $1 IS 'it''s a tenant'; ALTER DATABASE $1 CONNECTION LIMIT 17;
        ALTER DATABASE $1 SET search_path = '\$user', public; ALTER DATABASE $1 SET work_mem = '5MB';
        ALTER ROLE app IN DATABASE $1 SET statement_timeout = '1h'"
    sql one "$1" "GRANT SELECT ON notes TO reader; ALTER DEFAULT PRIVILEGES FOR ROLE pgtide_agent GRANT SELECT ON TABLES TO app"
}
sql one postgres 'CREATE ROLE app LOGIN; CREATE ROLE reader'

rollout_yaml "$T/first.yaml" first "$T/first.bundle"
started first
wait_for 90 'the first rollout' is_state first succeeded
for database in $(fleet_databases one); do settings_of "$database"; image "$database" >"$T/$database.before"; done
rollout_yaml "$T/second.yaml" second "$T/second.bundle" 'backup: {method: dump, compress: 1, verify: true, keep: 3}' 'budget: {wave: 9, fleet: 9}'
started second
wait_for 90 'the second rollout' is_state second succeeded
check 'the column is gone' same "$(sql one tenant_0001 "SELECT count(*) FROM pg_attribute WHERE attrelid = 'notes'::regclass AND attname = 'secret'")" 0

# --- refused with words
expect_error 5 REFUSED 'the secrets are gone' alice rollout rollback second -o "$T/down.plan"
check 'and what to do is said' contains "$(cat "$T/error")" 'pgtide rollout rollback second --restore'
expect_error 2 USAGE '--restore' alice rollout rollback second --accept-data-loss -o "$T/down.plan"
expect_error 2 NOT_FOUND 'no rollout and no agent knows of that backup' alice backup restore one/tenant_0001 \
    --backup 00000000000000000000000000000000 -o "$T/none.plan"
expect_error 2 NOT_FOUND 'no shard' alice backup restore one/tenant_9999 -o "$T/none.plan"

# --- its role may not: nothing has changed, and what it needs is said
alice backup restore one/tenant_0001 --accept-data-loss -o "$T/one.plan" >"$T/said"
check 'the plan says what is lost' contains "$(cat "$T/said")" 'DATA LOSS  accepted'
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/one.plan"
bob rollout approve "$T/one.plan" >/dev/null
before=$(oid tenant_0001)
alice rollout start "$T/one.plan" >/dev/null
wait_for 90 'it to be over' is_over second-restore
check 'a role that may not' shard_is second-restore one/tenant_0001 outcome refused
check 'is told what it needs' contains "$(shard_field second-restore one/tenant_0001 message)" 'may not create databases'
check 'the shard is the same' same "$(oid tenant_0001)" "$before"

sql one postgres 'ALTER ROLE pgtide_agent CREATEDB CREATEROLE; GRANT pg_signal_backend TO pgtide_agent'

# --- one shard, in use
restored() { # SHARD PLAN-ARGUMENT…
    local name=$1
    shift
    rm -f "$T/restore.plan"
    ! is_state second-restore halted || alice rollout abort second-restore --reason 'the next try' >/dev/null
    alice "$@" -o "$T/restore.plan" >/dev/null
    bob rollout approve "$T/restore.plan" >/dev/null
    alice rollout start "$T/restore.plan" >/dev/null
    wait_for 120 "$name: the restore to be over" is_over second-restore
}
same_as_before() { # DATABASE
    image "$1" >"$T/$1.after"
    diff "$T/$1.before" "$T/$1.after" >&2
}
PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U app -d tenant_0001 -c 'SELECT pg_sleep(600)' >/dev/null 2>"$T/app.err" &
app=$!
PIDS+=("$app")
app_is_there() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'")" = 1 ]; }
wait_for 10 'the application to be connected' app_is_there
sql one tenant_0001 "UPDATE notes SET body = 'written since' WHERE id = 1"
restored tenant_0001 backup restore one/tenant_0001 --accept-data-loss
check 'it succeeded' same "$(state second-restore)" succeeded
check 'the application was sent away' contains "$(wait "$app"; cat "$T/app.err")" 'terminating connection'
check 'everything is as it was' same_as_before tenant_0001
check 'in another database' [ "$(oid tenant_0001)" != "$before" ]
check 'at the rows before' same "$(rows one tenant_0001)" 001_notes
check 'the former one is kept, closed' same \
    "$(sql one postgres "SELECT oid, datallowconn FROM pg_database WHERE datname = '$(kept tenant_0001)'")" "$before|f"
check 'nothing else is left' same "$(leftovers)" 0
check 'the history goes on' same "$(sql one tenant_0001 "SELECT string_agg(direction || ':' || coalesce(revision, '-'), ' ' ORDER BY seq)
    FROM pgtide.history WHERE outcome = 'succeeded' AND direction <> 'adopt'")" 'upgrade:001_notes upgrade:002_forget restore:-'
check 'and says where the former one is' contains "$(sql one tenant_0001 "SELECT message FROM pgtide.history WHERE direction = 'restore'")" "$(kept tenant_0001)"
# A listing that began after the swap: the plan below names the new database.
seen() { alice fleet shards --json | json "[s for s in d['result']['shards'] if s['name'] == 'one/tenant_0001'][0]['seen']"; }
then=$(seen)
seen_again() { [ "$(seen)" != "$then" ]; }
wait_for 60 'it to be listed again' seen_again
then=$(seen)
wait_for 60 'it to be listed once more' seen_again
check 'nothing is quarantined, and nothing new is listed' fleet_has_shards 4

# --- it is a shard like any other: the next rollout takes it forward again
rollout_yaml "$T/third.yaml" third "$T/second.bundle" 'select: database = tenant_0001'
started third
wait_for 90 'the third rollout' is_state third succeeded
check 'forward again' same "$(rows one tenant_0001)" 002_forget

# --- a rollout's shards, without a word about loss: what was written, or might have been, is refused, the rest is restored
sql one tenant_0002 "UPDATE notes SET body = 'written since' WHERE id = 7"
backup_of() { ls "$T"/agent-one/state/backups/"$(shard_field second "one/$1" uuid)"/*.dump; }
printf 'x' | dd of="$(backup_of tenant_0004)" bs=1 seek=100 conv=notrunc status=none
restored 'all of them' rollout rollback second --restore
check 'within the budget, and yet no success' same "$(state second-restore)/$(state second-restore reason)" \
    'halted/3 of 4 could not be restored'
check 'the one written since is refused' shard_is second-restore one/tenant_0002 outcome refused
check 'with a word' contains "$(shard_field second-restore one/tenant_0002 message)" 'written since its backup'
check 'and as it was' same "$(rows one tenant_0002) $(sql one tenant_0002 'SELECT body FROM notes WHERE id = 7')" '002_forget written since'
check 'the one that came back, and forward again, too' shard_is second-restore one/tenant_0001 outcome refused
check 'a flipped byte is found' contains "$(shard_field second-restore one/tenant_0004 message)" 'are not those that were written'
check 'its shard is as it was' same "$(rows one tenant_0004)" 002_forget
check 'the other one is restored' shard_is second-restore one/tenant_0003 outcome succeeded
check 'and as it was before the step' same_as_before tenant_0003
nothing_is_left() { [ "$(leftovers)" = 0 ]; }
wait_for 30 'what was restored of the refused to be dropped' nothing_is_left
