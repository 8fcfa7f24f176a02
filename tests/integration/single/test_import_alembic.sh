#!/usr/bin/env bash
# An Alembic project is rendered by real Alembic, and the imported revisions leave the same database behind, both ways.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin import-alembic
PYTHON=/usr/bin/python3
$PYTHON -c 'import alembic, psycopg2' || { echo 'python3-alembic and python3-psycopg2 are needed' >&2; exit 1; }
cluster_start one

THEIRS=$T/theirs
cp -r "$ROOT/tests/golden/import/alembic" "$THEIRS"
ours() { # DIR: an empty project of ours
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
}
real_alembic() { (cd "$THEIRS" && ALEMBIC_URL="postgresql+psycopg2://postgres@/$DATABASE?host=$T/one/socket" $PYTHON -m alembic.config "$@"); }
import() { pgtide import --from alembic "$THEIRS" -o "python=$PYTHON" "$@"; }
schema() { # of the database, without pgtide's own and the version table's width
    PGHOST="$T/one/socket" PGPORT=$(cluster_port one) PGUSER=postgres "$PG_BIN/pg_dump" -d "$1" --inserts -N pgtide -T alembic_version | grep -v restrict
}
same_schema() { diff <(schema "$1") <(schema "$2"); }
answer() { cat "$T/out" "$T/err"; }

# --- the import itself
ours whole
expect_exit 0 import --dry-run
check 'a dry run writes nothing' same "$(ls "$PROJECT/versions")" ''
expect_exit 0 pgtide import "$THEIRS" -o python=$PYTHON
check 'it was recognised' contains "$(cat "$T/out")" 'imported 7 revisions'
check 'nothing was written into their project' same "$(cd "$THEIRS" && find . -newer "$T/whole/pgtide.yaml" -type f)" ''
check 'the graph is the same' same "$(pgtide heads | sed 's/.*-> //; s/ .*//' | tr '\n' ' ')" '005_last 010_apart '
check 'a file says where it is from' contains "$(cat "$PROJECT"/versions/001_people*.sql)" '-- origin: alembic 001_people'
check 'the docstring is kept' contains "$(cat "$PROJECT"/versions/001_people*.sql)" '-- They have a mood, which is a type of its own.'
check 'the date is kept' contains "$(cat "$PROJECT"/versions/001_people*.sql)" '-- created: 2024-03-01 10:20:30.123456'
check 'labels are kept' contains "$(cat "$PROJECT"/versions/001_people*.sql)" '-- labels: main'
check 'dependencies are kept' contains "$(cat "$PROJECT"/versions/010_apart*.sql)" '-- depends-on: main, 003_left'
check 'a refusal is a reason' contains "$(cat "$PROJECT"/versions/005_last*.sql)" "-- irreversible: NotImplementedError: what was null can't be told"
check 'no version table in it' same "$(grep -l alembic_version "$PROJECT"/versions/*)" ''
expect_exit 0 import
check 'again: nothing new' contains "$(cat "$T/out")" 'imported 0 revisions'

# --- an interpreter without Alembic, in a project whose own directory is named alembic
mkdir -p "$T/named/alembic/versions"
printf '[alembic]\nscript_location = alembic\n' >"$T/named/alembic.ini"
touch "$T/named/alembic/env.py"
printf '#!/bin/sh\nexec %s -S "$@"\n' "$PYTHON" >"$T/bare-python"
chmod 755 "$T/bare-python"
expect_exit 2 pgtide import --from alembic "$T/named" -o "python=$T/bare-python"
check 'it is told what is missing' contains "$(cat "$T/err")" 'has no Alembic'

# --- the same database, revision by revision
database one theirs
real_alembic upgrade heads >"$T/alembic.out" 2>&1
database one mine
expect_exit 0 pgtide upgrade heads
check 'the same schema and rows' same_schema theirs mine
DATABASE=theirs check 'the same version rows as Alembic' same "$(rows)" "$(DATABASE=mine rows)"

database one theirs2
real_alembic upgrade 004_merge >"$T/alembic.out" 2>&1
database one mine2
expect_exit 0 pgtide upgrade 004_merge
check 'the same at the merge' same_schema theirs2 mine2
for target in 003_left 002_rows 001_people base; do
    (DATABASE=theirs2 && real_alembic downgrade "$target" >"$T/alembic.out" 2>&1)
    expect_exit 0 pgtide downgrade "$target"
    check "the same after downgrading to $target" same_schema theirs2 mine2
done

# --- a revision that reads from the database
cat >"$THEIRS/app/versions/006_reads.py" <<'PY'
"""reads"""
from alembic import op
revision = "006_reads"
down_revision = "005_last"

def upgrade():
    op.execute("SELECT 1")
    for row in op.get_bind().execute("SELECT id FROM people"):
        op.execute("DELETE FROM people WHERE id = %d" % row[0])

def downgrade():
    pass
PY
expect_exit 3 import --strict
check 'strict writes nothing' same "$(ls "$PROJECT"/versions/006* 2>/dev/null)" ''
expect_exit 3 import
check 'the problem has its line' contains "$(answer)" '006_reads.py:8: upgrade() was not rendered'
expect_exit 1 pgtide upgrade heads
check 'it can not be passed over' contains "$(answer)" '006_reads.py:8 could not be rendered as SQL'
check 'what it had said is kept' contains "$(cat "$PROJECT"/versions/006_reads*.sql)" '-- SELECT 1;'
rm "$THEIRS/app/versions/006_reads.py"

# --- the same for tables without rows; a count is 0 there, and the catalog is never empty
cat >"$THEIRS/app/versions/006_reads.py" <<'PY'
"""reads"""
from alembic import op
from sqlalchemy import text
revision = "006_reads"
down_revision = "005_last"

def upgrade():
    bind = op.get_bind()
    if bind.execute(text("SELECT count(*) FROM people WHERE id > :id"), {"id": 7}).scalar() == 0:
        op.execute("CREATE TABLE empty (id int)")
    for row in bind.execute(text("SELECT id FROM people WHERE id IN :ids"), {"ids": (1, 2)}):
        op.execute("DELETE FROM people WHERE id = %d" % row[0])

def downgrade():
    bind = op.get_bind()
    if bind.execute(text("SELECT to_regclass('empty')")).scalar() is not None:
        op.execute("DROP TABLE empty")
PY
ours empty
expect_exit 3 import -o reads=empty
check 'what it took for granted is told' contains "$(answer)" 'reads rows: rendered for tables without any'
check 'the catalog is not guessed' contains "$(answer)" "006_reads.py:16: downgrade() was not rendered: it needs a database to read from: scalar of 'SELECT to_regclass"
check 'parameters are in' contains "$(cat "$PROJECT"/versions/006_reads*.sql)" 'SELECT id FROM people WHERE id IN (1, 2)'
check 'what follows is there' contains "$(cat "$PROJECT"/versions/006_reads*.sql)" 'CREATE TABLE empty'
expect_exit 2 import -o reads=maybe
rm "$THEIRS/app/versions/006_reads.py"

# --- what commits on its way: units, once each, the same schema
cat >"$THEIRS/app/versions/006_units.py" <<'PY'
"""units"""
from alembic import op
revision = "006_units"
down_revision = "005_last"

def upgrade():
    op.execute("CREATE TABLE before (id int)")
    op.execute("CREATE TABLE beside (id int)")
    with op.get_context().autocommit_block():
        op.execute("ALTER TYPE mood ADD VALUE 'glad'")
        op.create_index("people_name", "people", ["full_name"], postgresql_concurrently=True)
    op.execute("UPDATE people SET mood = 'glad' WHERE id = 1")
PY
ours units
expect_exit 0 import
UNITS=$(cat "$PROJECT"/versions/006_units*.sql)
check 'it is told to have no transaction' contains "$UNITS" '-- transaction: none'
check 'what stood together stays together' contains "$UNITS" 'BEGIN;
CREATE TABLE before (id int);

CREATE TABLE beside (id int);
COMMIT;'
check 'no way down was written' contains "$UNITS" '-- irreversible: it has no downgrade()'
database one theirs3
real_alembic upgrade 006_units >"$T/alembic.out" 2>&1
database one mine3
expect_exit 0 pgtide upgrade 006_units
check 'the same schema and rows' same_schema theirs3 mine3
rm "$THEIRS/app/versions/006_units.py"

# --- what can't be read at all
ours broken
expect_exit 2 pgtide import --from alembic "$THEIRS" -o python=/no/such/python
check 'which interpreter' contains "$(answer)" "can't run /no/such/python"
expect_exit 2 pgtide import --from alembic "$THEIRS" -o pyhton=x
check 'a hint for the option' contains "$(answer)" "Did you mean 'python'?"
expect_exit 2 pgtide import --from alembic "$T/one" -o python=$PYTHON
check 'no project' contains "$(answer)" 'no Alembic project in'
cp "$THEIRS/app/versions/004_merge.py" "$T/004_merge.py"
echo 'import no_such_module' >>"$THEIRS/app/versions/004_merge.py"
expect_exit 2 import
check 'a missing module with its place' contains "$(answer)" '004_merge.py:16'
check 'and what to do' contains "$(answer)" '--option python=PATH'
cp "$T/004_merge.py" "$THEIRS/app/versions/004_merge.py"
sed -i '1i raise SystemExit("no settings")' "$THEIRS/app/env.py"
expect_exit 2 import
check 'env.py that refuses' contains "$(answer)" 'env.py did not run in offline mode: SystemExit: no settings'
check 'nothing was written' same "$(ls "$PROJECT/versions")" ''
expect_exit 0 import -o env=none
check 'without env.py' contains "$(cat "$T/out")" 'imported 7 revisions'
check 'its naming convention is missing' contains "$(cat "$PROJECT"/versions/003_left*.sql)" 'ADD UNIQUE (email)'
expect_exit 0 pgtide --json import --from alembic "$THEIRS" -o "python=$PYTHON" -o env=none
check 'JSON' same "$($PYTHON -c 'import json, sys; r = json.load(open(sys.argv[1]))["result"]; print(r["tool"], r["imported_before"], r["problems"])' "$T/out")" 'alembic 7 0'
