#!/usr/bin/env bash
# A schema a tenant: each is a shard of its own, with its own version rows, in one database with one bookkeeping.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin schemas
cluster_start one
project small
revision 002_wait 001_first 'ALTER TABLE first ADD COLUMN kind kinds;' 'ALTER TABLE first DROP COLUMN kind;'
database one app
sql 'CREATE TYPE kinds AS ENUM ($$a$$); CREATE SCHEMA t1; CREATE SCHEMA "T 2""; DROP"; CREATE SCHEMA t3'
odd='T 2"; DROP'
at() { sql "SELECT string_agg(version_num, ',') FROM $1.alembic_version"; }

expect_exit 0 pgtide upgrade --schema t1
expect_exit 0 pgtide upgrade 001_first --schema "$odd"
check 'each where it was led' same "$(at t1)|$(at '"T 2""; DROP"')" '003_last|001_first'
check 'one bookkeeping, two shards' same "$(sql 'SELECT schema_name FROM pgtide.shard ORDER BY 1')" "$odd
t1"
check 'tables are in their schemas' same "$(sql "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")" 0
check 'the shared type was found' same "$(sql "SELECT count(*) FROM pg_attribute WHERE attrelid = 't1.first'::regclass AND attname = 'kind'")" 1
expect_exit 0 pgtide downgrade base --schema t1
check 'the other tenant is untouched' same "$(at '"T 2""; DROP"')" 001_first
expect_exit 0 pgtide current --schema t3
check 'reading adopts nothing' same "$(sql "SELECT to_regclass('t3.alembic_version')")" ''

# A schema that was dropped and made anew under the same name is not the shard it was.
sql 'DROP SCHEMA t1 CASCADE; CREATE SCHEMA t1'
expect_exit 5 pgtide upgrade --schema t1
