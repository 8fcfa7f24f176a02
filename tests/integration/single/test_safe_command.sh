#!/usr/bin/env bash
# `pgtide revision --safe`: what it reads, prints, writes and refuses; and who else says that a statement holds others up.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin safe_command
cluster_start one
PROJECT=$T/p
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions"
echo 'versions: versions' >"$PGTIDE_CONFIG"
revision 001_base '' 'CREATE TABLE messages (id int PRIMARY KEY, body text);
CREATE INDEX body ON messages (body);' 'DROP TABLE messages;'
revision 002_index 001_base 'CREATE INDEX author ON messages (id, body);' 'DROP INDEX author;' 'SELECT 1;'
revision 003_rename 002_index 'ALTER TABLE messages RENAME body TO content;' 'ALTER TABLE messages RENAME content TO body;'
revision 004_last 003_rename 'SELECT 1;' 'SELECT 1;'

fails() { # STATUS WORDS COMMAND...
    local status=$1 words=$2
    shift 2
    expect_exit "$status" "$@"
    check "it says: $words" contains "$(cat "$T/err")" "$words"
}
files() { (cd "$PROJECT/versions" && sha256sum -- *); }

# --- without a database
unset PGTIDE_URL
before=$(files)
expect_exit 0 pgtide revision --safe 002_index
check 'the index is built beside the application' contains "$(cat "$T/out")" 'CREATE INDEX CONCURRENTLY author ON messages (id, body);'
check 'and dropped so' contains "$(cat "$T/out")" 'DROP INDEX CONCURRENTLY author;'
check 'the original stays' contains "$(cat "$T/out")" '-- | CREATE INDEX author ON messages (id, body);'
check '+verify stays' contains "$(cat "$T/out")" '-- +verify'
check 'nobody was asked' contains "$(cat "$T/err")" 'no database was asked'
expect_exit 0 pgtide revision --safe 003_rename
check 'a rename needs to know the table' contains "$(cat "$T/err")" 'left as it is: the table must be known: say --url'
check 'then nothing is written' contains "$(cat "$T/out")" 'nothing is written anew'
expect_exit 0 pgtide revision --safe 001_base --json
check 'a new table has no users' same "$(/usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["result"])' <"$T/out")" \
    "{'written': False, 'statements': [], 'files': []}"
echo 'ALTER TABLE t ALTER c SET NOT NULL' >"$T/change.sql"
expect_exit 0 pgtide revision --sql "$T/change.sql"
check 'statements of a file' contains "$(cat "$T/out")" 'CHECK (c IS NOT NULL) NOT VALID;'
expect_exit 0 pgtide revision --sql - <"$T/change.sql"
check 'and of a pipe' contains "$(cat "$T/out")" 'CHECK (c IS NOT NULL) NOT VALID;'
check 'printing changes no file' same "$(files)" "$before"

fails 2 'goes with --safe' pgtide revision --write
fails 2 'say one of them' pgtide revision --safe 002_index --sql "$T/change.sql"
fails 2 'is for a new revision' pgtide revision --safe 002_index -m more
fails 2 "can't locate" pgtide revision --safe 009_nothing
check 'nor does being refused' same "$(files)" "$before"

# --- with one
database one d
pgtide upgrade 001_base >/dev/null
expect_exit 0 pgtide upgrade --dry-run 003_rename
check 'a dry run tells' contains "$(cat "$T/err")" "002_index, line 6: CREATE INDEX, of messages, under SHARE: writes to the table wait"
check 'and how to do better' contains "$(cat "$T/err")" '`pgtide revision --safe 003_rename`'
revision 004_last 003_rename 'SELECT 1; CREATE INDEX late ON messages (content);' 'DROP INDEX late;'
before=$(files)
fails 5 'revision 004_last runs before the contract of 003_rename' pgtide revision --safe 003_rename --write
check 'where that is' contains "$(cat "$T/err")" 'RENAME COLUMN, of messages.body'
check 'what is written already keeps its column' same "$(files)" "$before"
revision 004_last 003_rename 'SELECT 1;' 'SELECT 1;'
expect_exit 0 pgtide revision --safe 003_rename --write
check 'the contract revision follows the last one' contains "$(cat "$PROJECT/versions/005_contract_003_rename.sql")" '-- revises: 004_last'
fails 5 'one phase of a change already' pgtide revision --safe 003_rename --write
expect_exit 0 pgtide revision --safe 002_index --write
expect_exit 0 pgtide upgrade --dry-run
check 'what was written anew is not told of' same "$(grep -c 'under' "$T/err" || true)" 0
expect_exit 0 pgtide steps upgrade head
check 'steps show the phase' contains "$(cat "$T/out")" 'upgrade 005_contract_003_rename (contract)'
expect_exit 0 pgtide history
check 'and so does the history' contains "$(cat "$T/out")" '003_rename (expand)'
expect_exit 0 pgtide upgrade
check 'a contract step is told of' contains "$(cat "$T/err")" '005_contract_003_rename is a contract step'
revision 006_more 005_contract_003_rename 'CREATE INDEX more ON messages (content);' 'DROP INDEX more;'
pgtide upgrade >/dev/null
before=$(files)
fails 5 'is applied in this database' pgtide revision --safe 006_more --write
check 'what has run stays' same "$(files)" "$before"

# --- what stays, and why
sql "CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text, c varchar(20), d text, e int, f int GENERATED ALWAYS AS (e * 2) STORED);
CREATE VIEW on_a AS SELECT a FROM t;
CREATE TRIGGER on_b BEFORE UPDATE OF b ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
GRANT SELECT (d) ON t TO PUBLIC;
CREATE TABLE keyless (a int);
CREATE TABLE secure (a int);
ALTER TABLE secure ENABLE ROW LEVEL SECURITY;
CREATE TABLE parts (id int PRIMARY KEY, a int) PARTITION BY RANGE (id);
CREATE INDEX parts_a ON parts (a);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (2);
CREATE TABLE parts_rest PARTITION OF parts DEFAULT"
stays() { # STATEMENT WHY
    expect_exit 0 pgtide revision --sql - <<<"$1"
    check "$1: why" contains "$(cat "$T/err")" "left as it is: $2"
}
stays 'ALTER TABLE t ALTER a SET NOT NULL' 'the column is NOT NULL already'
stays 'ALTER TABLE t ALTER a TYPE bigint' 'rule _RETURN on view on_a hangs on the column'
reader='default value for column f of table t'
[ "$(pg_major)" -ge 14 ] || reader='column f of table t'
stays 'ALTER TABLE t ALTER e TYPE bigint' "$reader hangs on the column"
stays 'ALTER TABLE t ALTER f TYPE bigint' 'the column is generated'
stays 'ALTER TABLE t ALTER c TYPE varchar(30)' 'character varying(20) to varchar(30) changes no row'
stays 'ALTER TABLE t ALTER c TYPE text' 'character varying(20) to text changes no row'
stays 'ALTER TABLE t ALTER nothing TYPE text' 'the database does not have the column'
stays 'ALTER TABLE t RENAME b TO x' 'trigger on_b on table t hangs on the column'
stays 'ALTER TABLE t RENAME c TO b' 'the database has a column of the new name'
stays 'ALTER TABLE t RENAME d TO x' 'the column has rights of its own'
stays 'ALTER TABLE t RENAME TO x' 'column d has rights of its own'
stays 'ALTER TABLE secure RENAME TO x' 'the table has row security'
sql "CREATE TABLE numbered (id int PRIMARY KEY, a int GENERATED ALWAYS AS IDENTITY (INCREMENT 10), b int GENERATED ALWAYS AS IDENTITY);
GRANT SELECT ON SEQUENCE numbered_b_seq TO PUBLIC"
stays 'ALTER TABLE numbered ALTER a TYPE bigint' 'its identity has options'
stays 'ALTER TABLE numbered ALTER b TYPE bigint' 'its identity has options, or its sequence rights'
stays 'ALTER TABLE keyless ADD b float DEFAULT random()' "its rows can't be filled in in batches"
stays 'ALTER TABLE parts ADD UNIQUE (id, a)' 'a partitioned table takes no constraint USING INDEX'
stays 'ALTER TABLE parts ADD FOREIGN KEY (a) REFERENCES t' "a foreign key of a partitioned table can't be NOT VALID"
stays 'DROP INDEX parts_a' 'DROP INDEX CONCURRENTLY takes no index of a partitioned table'
stays 'ALTER TABLE parts DETACH PARTITION parts_1' 'beside a default partition'
stays 'UPDATE t SET id = id + 10' 'it changes id, the key'
stays 'UPDATE t SET e = e / (SELECT max(e) FROM t)' 'it has a query in it'
stays 'ALTER TABLE parts ALTER a TYPE bigint' 'the table is partitioned'
stays 'ALTER TABLE nothing RENAME a TO b' 'the database does not have the table'
stays 'ALTER TABLE t ADD CONSTRAINT n NOT NULL b NOT VALID' 'the parser does not know this statement'
expect_exit 0 pgtide revision --sql - <<<'ALTER TABLE t ALTER c TYPE varchar(10)'
check 'a narrower type is a new column' contains "$(cat "$T/out")" 'ADD COLUMN pgtide_c_new_'

# --- a tenant's schema: names follow the search path, so that one file serves all tenants
rm "$PROJECT"/versions/*
revision 001_base '' 'CREATE TABLE items (id serial PRIMARY KEY, name text UNIQUE, parent int);
CREATE TABLE parts (item int REFERENCES items);' 'DROP TABLE parts, items;'
revision 002_change 001_base 'ALTER TABLE items ALTER id TYPE bigint, ADD token uuid DEFAULT gen_random_uuid() NOT NULL;
ALTER TABLE items RENAME name TO title;' 'ALTER TABLE items RENAME title TO name;
ALTER TABLE items DROP token, ALTER id TYPE int;'
database one tenants
for tenant in one "Two'x"; do
    sql "CREATE SCHEMA \"$tenant\""
    pgtide upgrade 001_base --schema "$tenant" >/dev/null
    sql "INSERT INTO \"$tenant\".items (name) SELECT i FROM generate_series(1, 100) i"
done
expect_exit 0 pgtide revision --safe 002_change --schema one --write
check 'no tenant is named' same "$(grep -c 'one\.' "$PROJECT"/versions/00[23]*.sql | tr '\n' ' ')" \
    "$PROJECT/versions/002_change.sql:0 $PROJECT/versions/003_contract_002_change.sql:0 "
for tenant in one "Two'x"; do
    expect_exit 0 pgtide upgrade --schema "$tenant"
    check "$tenant has all of it" same "$(sql "SELECT count(DISTINCT token) || pg_typeof(max(id))::text || max(length(title)) FROM \"$tenant\".items")" 100bigint3
    expect_exit 0 pgtide downgrade 001_base --schema "$tenant"
    check "$tenant is back" same "$(sql "SELECT count(name) || pg_typeof(max(id))::text FROM \"$tenant\".items")" 100integer
done
check 'nothing of ours is left' same "$(sql "SELECT count(*) FROM pg_proc WHERE proname LIKE 'pgtide%'")" 0
