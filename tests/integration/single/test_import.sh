#!/usr/bin/env bash
# Projects of other tools become revisions that leave the same database behind; imported again, they grow; what is
# broken in them is named, and stops where it is.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin import
cluster_start one

GOLDEN=$ROOT/tests/golden/import
ours() { # DIR: an empty project of ours
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
}
theirs() { # TOOL: a copy of its sample
    THEIRS=$T/theirs-$1
    rm -rf "$THEIRS"
    cp -r "$GOLDEN/$1" "$THEIRS"
}
schema() { PGHOST="$T/one/socket" PGUSER=postgres "$PG_BIN/pg_dump" -d "$1" --inserts -N pgtide -T alembic_version | grep -v restrict; }
same_schema() { diff <(schema "$1") <(schema "$2"); }
out() { cat "$T/out"; }
both() { cat "$T/out" "$T/err"; }
ids() { (cd "$PROJECT/versions" && ls) | tr '\n' ' '; }
by_hand() { cluster_psql one "$1" -f - >/dev/null; } # DATABASE, SQL on stdin

# --- each tool: recognised, upgraded, the same as psql leaves it, downgraded
round() { # TOOL REVISIONS FLOOR, SQL that psql gets on stdin
    theirs "$1"
    ours "$1"
    cluster_psql one postgres -c "CREATE DATABASE psql_${1//-/_}"
    by_hand "psql_${1//-/_}"
    expect_exit 0 pgtide import "$THEIRS"
    check "$1 is recognised" contains "$(out)" "imported $2 revisions from $THEIRS ($1)"
    database one "import_${1//-/_}"
    expect_exit 0 pgtide upgrade head
    check "$1: the same schema and rows as psql's" same_schema "psql_${1//-/_}" "import_${1//-/_}"
    expect_exit 0 pgtide downgrade "$3"
    expect_exit 0 pgtide upgrade head
    check "$1: and again after going down to $3" same_schema "psql_${1//-/_}" "import_${1//-/_}"
    expect_exit 0 pgtide import "$THEIRS"
    check "$1: nothing new" contains "$(out)" 'nothing new'
    check "$1: no notes again" same "$(cat "$T/err")" ''
}
round golang-migrate 4 base < <(cat "$GOLDEN"/golang-migrate/*.up.sql)
check 'ids and names are kept' same "$(ids)" '000001_create_people.sql 000002_index_names.sql 000010_happy.sql 000011_empty.sql '
check 'origins are there' contains "$(cat "$PROJECT/versions/000010_happy.sql")" '-- origin: golang-migrate 10'
round goose 3 20240102030405 < <(for file in "$GOLDEN"/goose/*.sql; do sed -n '/+goose [uU]p/,/+goose [dD]own/p' "$file" | sed 's/^.*StatementEnd/;/'; done)
round dbmate 2 base < <(for file in "$GOLDEN"/dbmate/db/migrations/*.sql; do sed '/migrate:down/,$d' "$file"; done)
round diesel 3 base < <(cat "$GOLDEN"/diesel/migrations/*/up.sql)
round prisma 2 20240102000000_moods < <(cat "$GOLDEN"/prisma/migrations/*/migration.sql)
expect_exit 2 pgtide downgrade base
check 'no way down is said' contains "$(both)" 'Prisma has no way down'
round numbered 3 1_people < <(cat "$GOLDEN"/numbered/{1_people,2-pets,V10_last}.sql)
check 'psql commands are told' contains "$(ids)" '2_pets.sql'

# --- what is told
ours told
theirs golang-migrate
expect_exit 0 pgtide import "$THEIRS" --dry-run
check 'a dry run writes nothing' same "$(ids)" ''
check 'it tells what it would do' contains "$(out)" 'would import 4 revisions'
check 'transactions are told' contains "$(cat "$T/err")" 'BEGIN and COMMIT taken off'
expect_exit 0 pgtide import "$THEIRS" --json
check 'JSON has each revision' same "$(grep -o '"transaction":"[a-z]*"' "$T/out" | sort | uniq -c | tr -s ' ' | tr '\n' ';')" ' 2 "transaction":"none"; 2 "transaction":"revision";'
check 'JSON has the notes' contains "$(out)" '"line":2,"problem":false,"text":"BEGIN and COMMIT'

# --- the command line
ours wrong
expect_exit 2 pgtide import "$T/nowhere"
check 'what is not there is said' contains "$(both)" "there is no $T/nowhere"
expect_exit 2 pgtide import "$T/one"
check 'what is no project is said' contains "$(both)" 'no migrations of a known tool'
expect_exit 2 pgtide import "$THEIRS" --from goos
check 'a near name is offered' contains "$(both)" 'Did you mean goose?'
expect_exit 2 pgtide import "$THEIRS" --from goose
check 'the wrong tool finds nothing' contains "$(both)" 'no goose files'
expect_exit 2 pgtide import "$THEIRS" --from golang-migrate --option x=1
check 'options are checked' contains "$(both)" "has no option 'x'"
expect_exit 2 pgtide import "$THEIRS" --from golang-migrate --option x
check 'options have values' contains "$(both)" 'KEY=VALUE'
check 'nothing was written' same "$(ids)" ''

# --- a broken file
ours broken
theirs golang-migrate
printf 'SELECT 1;\n\nSELECT '\''open;\n' >"$THEIRS/000003_open.up.sql"
printf '\\i other.sql\n' >"$THEIRS/000004_other.up.sql"
expect_exit 3 pgtide import "$THEIRS" --strict
check '--strict writes nothing' same "$(ids)" ''
expect_exit 3 pgtide import "$THEIRS"
check 'file and line' contains "$(cat "$T/err")" '000003_open.up.sql:3: a quoted string is not closed'
check 'the other one too' contains "$(cat "$T/err")" '000004_other.up.sql:1: includes another file'
check 'the rest is there' same "$(ids | wc -w)" 4
expect_exit 0 pgtide history
# mended
echo 'CREATE TABLE late (id int);' >"$THEIRS/000003_open.up.sql"
rm "$THEIRS/000004_other.up.sql"
expect_exit 0 pgtide import "$THEIRS"
check 'it comes behind those imported before' contains "$(cat "$T/err")" 'is older than some imported earlier, and runs behind them'
check 'and revises the last' contains "$(cat "$PROJECT/versions/000003_open.sql")" '-- revises: 000011'

# --- again: new, renamed, changed, gone, and revisions of our own on top
ours again
theirs golang-migrate
expect_exit 0 pgtide import "$THEIRS"
before=$(cat "$PROJECT"/versions/*)
mv "$THEIRS/000002_index_names.up.sql" "$THEIRS/000002_index.up.sql"
echo 'SELECT 1;' >>"$THEIRS/000010_happy.up.sql"
mv "$THEIRS/000001_create_people.up.sql" "$THEIRS/000005_create_people.up.sql"
mv "$THEIRS/000001_create_people.down.sql" "$THEIRS/000005_create_people.down.sql"
rm "$THEIRS"/000011_empty.*
expect_exit 0 pgtide import "$THEIRS"
check 'renamed is told' contains "$(cat "$T/err")" 'has another name than'
check 'changed is told' contains "$(cat "$T/err")" 'differs from'
check 'renumbered is told' contains "$(cat "$T/err")" 'renamed, not imported again'
check 'gone is told' contains "$(cat "$T/err")" 'is no longer in the imported project'
check 'nothing was rewritten' same "$(cat "$PROJECT"/versions/*)" "$before"
theirs golang-migrate
echo 'CREATE TABLE more (id int);' >"$THEIRS/000012_more.up.sql"
expect_exit 0 pgtide revision -m ours
expect_exit 0 pgtide import "$THEIRS"
check 'new ones go on behind the imported ones' contains "$(cat "$PROJECT/versions/000012_more.sql")" '-- revises: 000011'
check 'the branch is told' contains "$(cat "$T/err")" 'pgtide merge heads'
expect_exit 0 pgtide merge heads -m both
database one again
expect_exit 0 pgtide upgrade head
check 'both are there' same "$(sql "SELECT to_regclass('more')")" more
ours taken
revision 000002 '' 'SELECT 1;' ''
expect_exit 3 pgtide import "$THEIRS"
check 'an id of our own is not taken over' contains "$(cat "$T/err")" "the project has another revision '000002'"

# --- a downgrade that is broken stops at its revision, and goes on once it is mended
ours stops
THEIRS=$T/theirs-stops
mkdir "$THEIRS"
for n in 1 2 3; do
    echo "CREATE TABLE t$n (id int); INSERT INTO t$n VALUES ($n);" >"$THEIRS/${n}_t$n.sql"
    echo "DROP TABLE t$n;" >"$THEIRS/${n}_t$n.down.sql"
done
printf 'BEGIN;\nDROP TABLE t2;\nDROP TABLE no_such_table;\nCOMMIT;\n' >"$THEIRS/2_t2.down.sql"
expect_exit 0 pgtide import "$THEIRS"
database one stops
expect_exit 0 pgtide upgrade 2_t2
at=$(schema stops)
expect_exit 0 pgtide upgrade head
expect_exit 1 pgtide downgrade base
check 'its file and line are named' contains "$(cat "$T/err")" 'versions/2_t2.sql:11'
check 'the error is the server'\''s' contains "$(cat "$T/err")" 'table "no_such_table" does not exist'
check 'the rows are there' same "$(rows)" 2_t2
check 'schema and rows of tables are exactly there' same "$(schema stops)" "$at"
sed -i '/no_such_table/d' "$PROJECT/versions/2_t2.sql"
expect_exit 0 pgtide downgrade base
check 'mended, it goes on' same "$(rows)" ''
check 'nothing is left' same "$(sql "SELECT to_regclass('t1')")" ''
