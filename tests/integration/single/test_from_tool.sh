#!/usr/bin/env bash
# `pgtide stamp --from-tool`: where a database stands is read from the other tool's own table, and refused where that
# table does not tell.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin from-tool
cluster_start one

answer() { cat "$T/out" "$T/err"; }
put() { # FILE: from standard input
    mkdir -p "$(dirname "$THEIRS/$1")"
    cat >"$THEIRS/$1"
}
ours() { # TOOL: an empty project of ours, and a database; their project goes to $THEIRS
    TOOL=$1
    PROJECT=$T/ours-$1 THEIRS=$T/theirs-$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions" "$THEIRS"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
    database one "${2:-db_${1//-/_}}"
}
import() { expect_exit 0 pgtide import --from "$TOOL" "$THEIRS"; }
stamped() { # WHAT ROWS: the stamp is made and found again
    expect_exit 0 pgtide stamp --from-tool "$TOOL"
    check "$TOOL: $1" same "$(rows | tr '\n' ' ')" "$2 "
    expect_exit 0 pgtide stamp --from-tool auto
    check "$TOOL: $1, again" contains "$(cat "$T/out")" 'nothing to do: at '
}
refused() { # STATUS WORDS [OPTIONS...]
    local before
    before=$(rows)
    expect_exit "$1" pgtide stamp --from-tool "$TOOL" "${@:3}"
    check "$TOOL: says '$2'" contains "$(answer)" "$2"
    check "$TOOL: nothing changed" same "$(rows)" "$before"
}

# --- golang-migrate: one row, dirty or not
ours golang-migrate
for n in 1 2 3; do
    echo "CREATE TABLE t$n (id int);" | put "00000${n}_t$n.up.sql"
    echo "DROP TABLE t$n;" | put "00000${n}_t$n.down.sql"
done
refused 2 'no table of golang-migrate'
import
refused 2 'no table of golang-migrate'
sql 'CREATE TABLE schema_migrations (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL); CREATE TABLE t1 (id int); CREATE TABLE t2 (id int);'
check 'an empty table says: nothing' same "$(pgtide stamp --from-tool auto)" "nothing to do: at base, as golang-migrate's table says"
sql 'INSERT INTO schema_migrations VALUES (2, true)'
refused 5 'broke off in the middle of 2'
sql 'UPDATE schema_migrations SET version = 9, dirty = false'
refused 5 'what no revision here is: 9'
sql 'UPDATE schema_migrations SET version = 2'
stamped 'the version and all before it' 000002
expect_exit 0 pgtide upgrade
check 'only the rest ran' same "$(sql "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname ~ '^t[0-9]$'")" 't1 t2 t3'
refused 5 'the shard stands at 000003, where golang-migrate has never brought it'
expect_exit 0 pgtide stamp --from-tool golang-migrate --purge
check 'purge goes by the table' same "$(rows)" 000002
check 'the stamp is in the history' contains "$(history)" 'stamp||succeeded'

# --- elsewhere, and JSON
sql 'CREATE SCHEMA app; ALTER TABLE schema_migrations SET SCHEMA app; ALTER TABLE app.schema_migrations RENAME TO "Done"; UPDATE app."Done" SET version = 3'
refused 2 '--tool-table SCHEMA.NAME'
refused 2 "can't be the name" --tool-table "a'b"
expect_exit 0 pgtide --json stamp --from-tool golang-migrate --tool-table app.Done
check 'JSON' same "$(/usr/bin/python3 -c 'import json, sys; r = json.load(open(sys.argv[1]))["result"]; print(r["tool"], r["applied"], r["rows_before"], r["rows"])' "$T/out")" "golang-migrate 3 ['000002'] ['000003']"

# --- what makes no sense
expect_exit 2 pgtide stamp
expect_exit 2 pgtide stamp --tool-table x head
expect_exit 2 pgtide stamp --from-tool golang-migrate head
expect_exit 2 pgtide stamp --from-tool golang-migrate --sql
expect_exit 2 pgtide stamp --from-tool auto --tool-table x
expect_exit 2 pgtide stamp --from-tool rails
check 'which tools there are' contains "$(answer)" 'There are: golang-migrate, goose'
expect_exit 2 pgtide stamp --from-tool numbered
check 'a tool without a table' contains "$(answer)" 'numbered keeps no table'

# --- goose: a row a version, last one counts
ours goose
for n in 1 2 3; do printf -- '-- +goose Up\nCREATE TABLE t%s (id int);\n-- +goose Down\nDROP TABLE t%s;\n' $n $n | put "0000${n}_t$n.sql"; done
import
sql 'CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL, tstamp timestamp DEFAULT now())'
sql 'INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false)'
stamped 'taken back ones do not count' 00001
sql 'INSERT INTO goose_db_version (version_id, is_applied) VALUES (3, true)'
refused 5 'goose has applied 00003 without what it builds on: 00002'
sql 'INSERT INTO goose_db_version (version_id, is_applied) VALUES (2, true)'
stamped 'later' 00003

# --- dbmate, Diesel, Prisma
ours dbmate
for n in 1 2; do printf -- '-- migrate:up\nCREATE TABLE t%s (id int);\n-- migrate:down\nDROP TABLE t%s;\n' $n $n | put "2024010100000${n}_t$n.sql"; done
import
sql "CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY); INSERT INTO schema_migrations VALUES ('20240101000001')"
stamped 'a row a version' 20240101000001

ours diesel
for n in 1 2; do
    echo "CREATE TABLE t$n (id int);" | put "2024-01-01-00000${n}_t$n/up.sql"
    echo "DROP TABLE t$n;" | put "2024-01-01-00000${n}_t$n/down.sql"
done
import
sql "CREATE TABLE __diesel_schema_migrations (version varchar(50) PRIMARY KEY, run_on timestamp DEFAULT now()); INSERT INTO __diesel_schema_migrations VALUES ('20240101000001'), ('20240101000002')"
stamped 'versions without dashes' 20240101000002

ours prisma
for n in 1 2; do echo "CREATE TABLE t$n (id int);" | put "migrations/2024010100000${n}_t$n/migration.sql"; done
import
sql "CREATE TABLE _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz); INSERT INTO _prisma_migrations VALUES ('20240101000001_t1', now(), NULL), ('20240101000002_t2', NULL, NULL)"
refused 5 'broke off in the middle of 20240101000002_t2'
sql "UPDATE _prisma_migrations SET rolled_back_at = now() WHERE finished_at IS NULL"
stamped 'rolled back ones do not count' 20240101000001_t1

# --- Flyway: undone, repaired, failed, and a baseline that stands for all before
ours flyway
for v in 1 1.2 1.10 2; do echo "CREATE TABLE t${v/./_} (id int);" | put "V${v}__t.sql"; done
echo 'CREATE OR REPLACE VIEW v AS SELECT 1 AS one;' | put R__v.sql
import
sql 'CREATE TABLE flyway_schema_history (installed_rank int PRIMARY KEY, version varchar(50), description varchar(200), type varchar(20), script varchar(1000), checksum int, installed_by varchar(100), installed_on timestamp DEFAULT now(), execution_time int, success boolean NOT NULL)'
applied() { sql "INSERT INTO flyway_schema_history (installed_rank, version, description, type, script, success) SELECT coalesce(max(installed_rank), 0) + 1, $1, '', '$2', '', $3 FROM flyway_schema_history"; }
applied NULL SCHEMA true
applied "'01.02.0'" BASELINE true
stamped 'a baseline stands for all before it, whatever zeros it has' 1.2
check 'repeatables run again' contains "$(cat "$T/err")" 'repeatables are not in the version rows'
applied "'1.10'" SQL true
applied "'2'" SQL true
applied "'2'" UNDO_SQL true
stamped 'undone ones do not count' 1.10
applied "'2'" SQL false
refused 5 'broke off in the middle of 2'
applied "'2'" DELETE true
stamped 'repaired' 1.10
applied "'3'" JDBC true
refused 5 'what no revision here is: 3'

# --- Sqitch: several projects in one table, reworked changes
ours sqitch
printf '%%project=app\n\none 2024-01-01T00:00:00Z A B <a@b.c>\n@v1 2024-01-01T00:00:00Z A B <a@b.c>\none 2024-01-02T00:00:00Z A B <a@b.c>\ntwo 2024-01-03T00:00:00Z A B <a@b.c>\n' | put sqitch.plan
for name in one@v1 one two; do echo 'SELECT 1;' | put "deploy/$name.sql"; done
import
sql "CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text, project text, committed_at timestamptz DEFAULT clock_timestamp())"
sql "INSERT INTO sqitch.changes VALUES ('a', 'one', 'app'), ('b', 'one', 'other')"
stamped 'the first of two of a name' one
check "another project's changes are not ours" contains "$(cat "$T/err")" "1 migration of other projects in sqitch's table is passed over"
sql "INSERT INTO sqitch.changes VALUES ('c', 'one', 'app')"
stamped 'the second' one_2
check 'a tag is a label' contains "$(pgtide show v1)" 'one'

# --- a graph: several rows
ours dag
for id in 1 2 3 4; do echo "CREATE TABLE t$id (id int);" | put "frontend/${id}_t/up.sql"; echo "DROP TABLE t$id;" | put "frontend/${id}_t/down.sql"; done
echo 'name: one' | put frontend/1_t/metadata.yaml
echo 'parents: [1]' | put frontend/2_t/metadata.yaml
echo 'parents: [1]' | put frontend/3_t/metadata.yaml
echo 'parents: [2, 3]' | put frontend/4_t/metadata.yaml
THEIRS=$THEIRS/frontend
import
sql 'CREATE TABLE migration_logs (id serial PRIMARY KEY, schema text, version int, up bool, success bool)'
sql "INSERT INTO migration_logs (schema, version, up, success) VALUES ('schema_migrations', 1, true, true), ('schema_migrations', 3, true, true), ('schema_migrations', 2, true, false), ('schema_migrations', 2, true, true), ('codeintel_schema_migrations', 7, true, true)"
stamped 'both branches' '2 3'
sql "INSERT INTO migration_logs (schema, version, up, success) VALUES ('schema_migrations', 2, false, NULL)"
refused 5 'broke off in the middle of frontend:2'

# --- two tools in one database
printf -- '-- revision: 9\n-- revises: 4\n-- origin: goose 9\n-- +upgrade\n-- +downgrade\n' >"$PROJECT/versions/9.sql"
sql 'CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL)'
TOOL=auto refused 2 'the database has tables of goose and of dag'

# --- many databases at once
ours golang-migrate many1
cluster_psql one postgres -c 'CREATE DATABASE many2'
for name in many1 many2; do
    cluster_psql one $name -c 'CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean); INSERT INTO schema_migrations VALUES (1, false)'
    echo "$(cluster_url one $name)"
done >"$T/urls"
sql 'UPDATE schema_migrations SET dirty = true'
expect_exit 1 pgtide stamp --from-tool auto --urls "$T/urls" --on-failure continue
check 'the clean one is stamped' same "$(cluster_psql one many2 -c 'SELECT version_num FROM alembic_version')" 000001
check 'the dirty one is not' same "$(rows)" ''
