#!/usr/bin/env bash
# A database goes back and forth between Alembic and pgtide: taken over without stamping, handed back, on branches, with
# ids that Alembic's column is too narrow for. The project is imported, so that both know the same revisions.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin adoption
PYTHON=/usr/bin/python3
$PYTHON -c 'import alembic, psycopg2' || { echo 'python3-alembic and python3-psycopg2 are needed' >&2; exit 1; }
cluster_start one

THEIRS=$T/theirs
cp -r "$ROOT/tests/golden/import/alembic" "$THEIRS"
PROJECT=$T/ours
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions"
echo 'versions: versions' >"$PGTIDE_CONFIG"
real_alembic() { (cd "$THEIRS" && ALEMBIC_URL="postgresql+psycopg2://postgres@/$DATABASE?host=$T/one/socket" $PYTHON -m alembic.config "$@") 2>>"$T/alembic.err" | sed '/says something/d; /and so does/d'; }
answer() { cat "$T/out" "$T/err"; }
one_line() { tr '\n' ' ' | sed 's/ $//'; }
theirs() { real_alembic current | sed 's/ (.*//' | sort | one_line; }
ours() { rows | one_line; }
both_at() { # WHAT ROWS [CURRENT]: Alembic's `current` also names heads that an applied revision depends on, without a row
    check "$1: by Alembic" same "$(theirs)" "${3:-$2}"
    check "$1: by pgtide" same "$(pgtide --json current | $PYTHON -c 'import json, sys; print(*json.load(sys.stdin)["result"]["rows"])')" "$2"
}
directions() { sql "SELECT direction || ' ' || array_to_string(rows_before, '+') || '>' || array_to_string(rows_after, '+') FROM pgtide.history ORDER BY seq"; }
schema() { PGHOST="$T/one/socket" PGUSER=postgres "$PG_BIN/pg_dump" -d "$1" --inserts -N pgtide -T alembic_version | grep -v restrict; }
same_schema() { diff <(schema "$1") <(schema "$2"); }

expect_exit 0 pgtide import "$THEIRS" -o "python=$PYTHON"

# --- Alembic begins, pgtide goes on, Alembic takes back, pgtide notices
database one there
real_alembic upgrade 002_rows
both_at 'begun by Alembic' 002_rows
check 'looking changes nothing' same "$(sql "SELECT to_regnamespace('pgtide')")" ''
expect_exit 0 pgtide upgrade 004_merge
check 'from where Alembic was' same "$(directions | head -n 2 | one_line)" 'adopt 002_rows>002_rows upgrade 002_rows>003_right'
both_at 'gone on by pgtide' 004_merge
real_alembic downgrade 003_left
both_at 'taken back by Alembic' '003_left 003_right'
expect_exit 0 pgtide upgrade 005_last
check 'pgtide notices' contains "$(answer)" 'another tool moved this shard'
check 'and keeps it' contains "$(directions)" 'external 004_merge>003_left+003_right'
both_at 'and goes on' 005_last

# --- what is there is what Alembic alone would have left
database one alone
real_alembic upgrade 005_last
check 'the same schema and rows' same_schema there alone

# --- branches: several rows, made by one, moved by the other
database one branches
real_alembic upgrade 010_apart
real_alembic upgrade 003_right
both_at "Alembic's branches" '003_right 010_apart' '003_left 003_right 010_apart'
expect_exit 0 pgtide upgrade heads
both_at 'joined by pgtide' '005_last 010_apart'
expect_exit 0 pgtide downgrade apart@base
both_at 'one branch gone' 005_last

# --- pgtide begins, Alembic goes on and to the end
database one begun
expect_exit 0 pgtide upgrade 003_left
both_at 'begun by pgtide' 003_left
real_alembic upgrade heads
both_at 'gone on by Alembic' '005_last 010_apart'
sql 'DROP SCHEMA pgtide CASCADE' 2>/dev/null
real_alembic downgrade 010_apart@base
both_at 'handed back for good' 005_last
expect_exit 0 pgtide upgrade heads
both_at 'and taken over again' '005_last 010_apart'

# --- an id that does not fit into Alembic's 32 characters
LONG=0006_an_identifier_that_is_longer_than_thirty_two_characters
printf 'from alembic import op\nrevision = "%s"\ndown_revision = "005_last"\ndef upgrade():\n    op.execute("CREATE TABLE late (id int)")\ndef downgrade():\n    op.execute("DROP TABLE late")\n' $LONG >"$THEIRS/app/versions/late.py"
expect_exit 0 pgtide import "$THEIRS" -o "python=$PYTHON"
database one narrow
real_alembic upgrade 005_last
expect_exit 1 real_alembic upgrade $LONG
check 'Alembic alone can not write it' same "$(ours)" 005_last
expect_exit 0 pgtide upgrade $LONG
check 'pgtide says that it made room' contains "$(answer)" 'alembic_version'
both_at 'a long id' $LONG
real_alembic downgrade 005_last
real_alembic upgrade $LONG
both_at 'Alembic can write it now' $LONG

# --- the same, by a role that may write the table and not alter it
database one elsewhere
real_alembic upgrade 005_last
sql "CREATE ROLE writer LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO writer; GRANT CREATE ON DATABASE elsewhere TO writer; GRANT CREATE ON SCHEMA public TO writer"
status=0
PGTIDE_URL="${PGTIDE_URL/postgres@/writer@}" pgtide upgrade $LONG >"$T/out" 2>"$T/err" || status=$?
check 'it is refused' test $status -ne 0
check 'with words' contains "$(answer)" 'alembic_version'
check 'and nothing changed' same "$(ours)|$(sql "SELECT to_regclass('late')")" '005_last|'
