#!/usr/bin/env bash
# A tenant that is a schema is restored from its own dump, in its database, while the other tenants go on: with rows,
# sequences, grants, owner, comment, default privileges, policies and triggers as they were, and the same agent killed
# before and behind the swap. What hangs on the schema from outside is named, and nothing changes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin restore_schema
cluster_start one fsync=on
sql one postgres "CREATE ROLE $FLEET_ROLE LOGIN; CREATE ROLE app LOGIN; CREATE ROLE reader; CREATE ROLE owner_of_acme;
    GRANT owner_of_acme TO $FLEET_ROLE"
sql one postgres "CREATE DATABASE apps OWNER $FLEET_ROLE"
sql one postgres "CREATE TABLE tenants (database text, schema text, labels jsonb); GRANT SELECT ON tenants TO $FLEET_ROLE;
    INSERT INTO tenants VALUES ('apps', 'acme', '{}'), ('apps', 'beta', '{}'), ('apps', 'quo\"te d', '{}')"
as_agent() { PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -A -t -U "$FLEET_ROLE" -d apps -v ON_ERROR_STOP=1 "$@"; }
as_agent <<'SQL'
CREATE SCHEMA shared;
CREATE TABLE shared.countries (code text PRIMARY KEY);
INSERT INTO shared.countries VALUES ('de'), ('fr');
CREATE FUNCTION shared.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := NEW.body || '!'; RETURN NEW; END $$;
GRANT USAGE ON SCHEMA shared TO owner_of_acme;
GRANT SELECT, REFERENCES ON shared.countries TO owner_of_acme;
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
CREATE SCHEMA acme AUTHORIZATION owner_of_acme;
CREATE SCHEMA beta;
CREATE SCHEMA "quo""te d";
SQL
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
mkdir -p -m 700 "$T/identity"
age-keygen -o "$T/identity/age.key" 2>/dev/null
age-keygen -y "$T/identity/age.key" >"$T/recipients"
chmod 644 "$T/recipients"
FLEET_EXTRA="backup: {age-recipients: ../recipients, age-identity: $T/identity/age.key}" fleet_agent one one eu
sed -i 's/discover: .*/discover: SELECT database, schema, labels::text FROM tenants ORDER BY 1, 2/' "$T/agent-one/agent.yaml"
fleet_agent_stop one
fleet_agent_start one
wait_for 30 'all shards reported' fleet_has_shards 3

project small
revision 001_notes '' "CREATE TABLE notes (id serial PRIMARY KEY, body text, secret text, country text REFERENCES shared.countries);
CREATE TABLE parts (id int, at int) PARTITION BY RANGE (at);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE VIEW shouted AS SELECT id, upper(body) AS body FROM notes;
CREATE TRIGGER touch BEFORE UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION shared.touch();
INSERT INTO notes (body, secret, country) SELECT md5(i::text), i::text, 'de' FROM generate_series(1, 200) i;
INSERT INTO parts SELECT i, i FROM generate_series(0, 99) i;" 'DROP TABLE notes CASCADE; DROP TABLE parts;'
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
rollout_yaml "$T/first.yaml" first "$T/first.bundle"
started first
wait_for 90 'the first rollout' is_state first succeeded
as_agent <<'SQL'
ALTER TABLE acme.notes OWNER TO owner_of_acme;
GRANT INSERT ON acme.notes TO app;
REVOKE SELECT ON acme.parts FROM reader;
GRANT USAGE ON SCHEMA acme TO app WITH GRANT OPTION;
COMMENT ON SCHEMA acme IS 'it''s a tenant';
ALTER TABLE acme.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY germans ON acme.notes TO app USING (country = 'de');
ALTER DEFAULT PRIVILEGES IN SCHEMA acme GRANT UPDATE ON TABLES TO app;
SELECT setval('acme.notes_id_seq', 777, false);
SQL

dump_of() { PGHOST="$T/one/socket" PGUSER=postgres "$PG_BIN/pg_dump" --restrict-key=x --schema="$1" apps; }
others() { # all of the database but the ledger and one schema, and what was kept of it
    PGHOST="$T/one/socket" PGUSER=postgres "$PG_BIN/pg_dump" --restrict-key=x --exclude-schema=pgtide --exclude-schema=acme \
        --exclude-schema='pgtide_old_*' apps
}
dump_of acme >"$T/acme.before"
dump_of '"quo""te d"' >"$T/quote.before"
rollout_yaml "$T/second.yaml" second "$T/second.bundle" 'backup: {method: dump, compress: 1, verify: true, keep: 9}' 'budget: {wave: 9, fleet: 9}' 'locks: {timeout: 60s, attempts: 3}' 'select: schema in (acme, beta)'
started second
wait_for 90 'the second rollout' is_state second succeeded
rollout_yaml "$T/secret.yaml" secret "$T/second.bundle" 'backup: {method: dump, encrypt: true, verify: true, keep: 9}' \
    'select: schema != acme and schema != beta'
started secret
wait_for 90 'the one with encrypted backups' is_state secret succeeded
others >"$T/others.before"

version() { as_agent -v schema="$1" <<<'SELECT string_agg(version_num, $$,$$) FROM :"schema".alembic_version'; }
kept() { as_agent -c "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'pgtide\\_old\\_%$1'"; }
nothing_new() { [ "$(as_agent -c "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgtide\\_new\\_%'")" = 0 ]; }
put_aside() { ! is_state second-restore halted 2>/dev/null || alice rollout abort second-restore --reason 'the next try' >/dev/null; }
begin() { # SHARD ARGUMENT…
    rm -f "$T/restore.plan"
    put_aside
    alice backup restore "$@" -o "$T/restore.plan" >/dev/null
    bob rollout approve "$T/restore.plan" >/dev/null
    alice rollout start "$T/restore.plan" >/dev/null
}
over() { wait_for 120 "$1: the restore to be over" is_over second-restore; }
same_dump() { diff "$1" "$2" >&2; }

# --- what hangs on it from outside would be left behind: named, and nothing has changed
as_agent -c 'CREATE VIEW shared.all_notes AS SELECT body FROM acme.notes'
begin one/apps/acme
over acme
check 'what could not be restored is not a success' same "$(state second-restore)/$(state second-restore reason)" 'halted/1 of 1 could not be restored'
check 'a view elsewhere: refused' shard_is second-restore one/apps/acme outcome refused
check 'by name' contains "$(shard_field second-restore one/apps/acme message)" 'all_notes'
check 'nothing has changed' same "$(version acme)" 002_forget
as_agent -c 'DROP VIEW shared.all_notes; CREATE TABLE beta.links (note int REFERENCES acme.notes)'
begin one/apps/acme
over acme
check 'a foreign key elsewhere: by name' contains "$(shard_field second-restore one/apps/acme message)" 'constraint links_note_fkey on table beta.links'
as_agent -c 'DROP TABLE beta.links'
sql one apps 'CREATE PUBLICATION everything FOR ALL TABLES'
begin one/apps/acme
over acme
check 'a publication: by name' contains "$(shard_field second-restore one/apps/acme message)" 'publication everything'
sql one apps 'DROP PUBLICATION everything'

# --- written since: refused; the dump was read back, and is gone again
sql one apps "UPDATE acme.notes SET body = 'written since' WHERE id = 1"
begin one/apps/acme
over acme
check 'written since: refused' shard_is second-restore one/apps/acme outcome refused
check 'with a word' contains "$(shard_field second-restore one/apps/acme message)" 'written since its backup'
check 'and as it was' same "$(version acme) $(sql one apps 'SELECT body FROM acme.notes WHERE id = 1')" '002_forget written since!'
wait_for 30 'what was read back to be dropped' nothing_new

# --- the agent is killed while the swap waits for a writer, who does not see any of it
write_to() { # SCHEMA: a writer that has begun
    rm -f "$T/writer"
    mkfifo "$T/writer"
    PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U postgres -d apps <"$T/writer" >/dev/null &
    writer=$!
    PIDS+=("$writer")
    exec 8>"$T/writer"
    echo "BEGIN; LOCK TABLE $1.notes IN ROW EXCLUSIVE MODE;" >&8
}
stop_writing() {
    echo 'ROLLBACK;' >&8
    exec 8>&-
    wait "$writer" || true
}
waits() { # MODE SCHEMA
    [ "$(sql one apps "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = '$1' AND relation = '$2.notes'::regclass")" = 1 ]
}
write_to acme
begin one/apps/acme --accept-data-loss
wait_for 60 'the swap to wait for the writer' waits ShareLock acme
fleet_agent_stop one KILL
check 'the shard is as it was' same "$(version acme)" 002_forget
check 'readers go on' same "$(sql one apps 'SELECT count(*) FROM acme.notes')" 200
stop_writing
fleet_agent_start one
over acme
check 'the agent that came back has finished it' same "$(state second-restore)" succeeded
check 'as it was before the step' same "$(version acme)" 001_notes
dump_of acme >"$T/acme.after"
check 'and all of it' same_dump "$T/acme.before" "$T/acme.after"
check 'restored once' same "$(sql one apps "SELECT count(*) FROM pgtide.history WHERE direction = 'restore' AND schema_name = 'acme'")" 1
check 'the former one is kept' same "$(sql one apps "SELECT count(*) FROM \"$(kept acme)\".notes")" 200
check 'and named' contains "$(sql one apps "SELECT message FROM pgtide.history WHERE direction = 'restore'")" "$(kept acme)"
check 'nothing else is left' nothing_new
others >"$T/others.after"
check 'everything else is as it was' same_dump "$T/others.before" "$T/others.after"
check 'the history goes on' same "$(sql one apps "SELECT string_agg(direction || ':' || coalesce(revision, '-'), ' ' ORDER BY seq) FROM pgtide.history
    WHERE schema_name = 'acme' AND outcome = 'succeeded' AND direction <> 'adopt'")" 'upgrade:001_notes upgrade:002_forget restore:-'

# --- each is listed with its own rows, the plan below goes by them
seen() { alice fleet shards --json | json "[s['seen'] for s in d['result']['shards']][0]"; }
then=$(seen)
seen_again() { [ "$(seen)" != "$then" ]; }
wait_for 60 'them to be listed again' seen_again
check 'each with its own rows' same "$(alice fleet shards --json | json "[s['rows'][0] for s in d['result']['shards']]")" \
    "['001_notes', '002_forget', '002_forget']"

# --- killed when it has swapped, before anybody has heard of it; nothing was lost, so nothing was accepted. Encrypted.
begin 'one/apps/quo%22te%20d'
swapped() { [ "$(grep -c event=restore.swapped "$T/agent-one/agent.log")" = 2 ]; }
wait_for 60 'the swap' swapped
fleet_agent_stop one KILL
check 'the new one is there' same "$(version 'quo"te d')" 001_notes
fleet_agent_start one
wait_for 120 'the restore to be over' is_over secret-restore
check 'it succeeded' same "$(state secret-restore)" succeeded
dump_of '"quo""te d"' >"$T/quote.after"
check 'with all that was there' same_dump "$T/quote.before" "$T/quote.after"
check 'once' same "$(sql one apps "SELECT count(*) FROM pgtide.history WHERE direction = 'restore'")" 2
check 'the other tenant has moved on' same "$(version beta)" 002_forget

# --- who waits for a table meanwhile is not refused, and writes to what was restored
write_to beta
begin one/apps/beta
wait_for 60 'the swap to wait for the writer' waits ShareLock beta
sql one apps "INSERT INTO beta.notes (body, secret, country) VALUES ('waited', 'new', 'fr')" &
patient=$!
PIDS+=("$patient")
wait_for 30 'the other writer to wait behind it' waits RowExclusiveLock beta
stop_writing
over beta
check 'restored' same "$(state second-restore) $(version beta)" 'succeeded 001_notes'
wait "$patient"
check 'what was written then is in the new one' same "$(sql one apps "SELECT count(*), max(secret) FILTER (WHERE body = 'waited') FROM beta.notes")" '201|new'
check 'and not in the former' same "$(sql one apps "SELECT count(*) FROM \"$(kept beta)\".notes")" 200

# --- shards like any other: nothing is quarantined, and they go forward again
wait_for 60 'all shards to be listed' fleet_has_shards 3
rollout_yaml "$T/third.yaml" third "$T/second.bundle" 'backup: {method: dump, compress: 1, verify: true, keep: 9}'
started third
wait_for 90 'the third rollout' is_state third succeeded
check 'forward again' same "$(version acme) $(version beta) $(version 'quo"te d')" '002_forget 002_forget 002_forget'

# --- all of a database at once
alice rollout rollback third --restore -o "$T/third-restore.plan" >/dev/null
bob rollout approve "$T/third-restore.plan" >/dev/null
alice rollout start "$T/third-restore.plan" >/dev/null
wait_for 180 'all of them to be restored' is_over third-restore
check 'all are restored' same "$(state third-restore) $(version acme) $(version beta) $(version 'quo"te d')" 'succeeded 001_notes 001_notes 001_notes'
dump_of acme >"$T/acme.after"
check 'as it was once' same_dump "$T/acme.before" "$T/acme.after"
check 'nothing else is left' nothing_new
