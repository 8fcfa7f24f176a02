#!/usr/bin/env bash
# history, heads, branches and show print what Alembic prints for the same graph, and ask a database only when they must.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin listings

# the same graph twice: ID REVISES LABEL DEPENDS-ON MESSAGE, lists separated by commas
graph() {
    local revision=$1
    "$revision" a001 '' '' '' first
    "$revision" b001 a001 left '' 'b one'
    "$revision" b002 b001 '' '' 'b two'
    "$revision" c001 a001 '' '' 'c one'
    "$revision" c002 c001 '' b001 'c two'
    "$revision" m001 b002,c002 '' '' merge
    "$revision" x001 '' shop '' 'x one'
    "$revision" x002 x001 '' b001 'x two'
    "$revision" y001 m001 '' x002 'y'
}
pgtide_revision() {
    printf -- '-- revision: %s\n-- revises: %s\n-- labels: %s\n-- depends-on: %s\n-- message: %s\n\n-- +upgrade\nSELECT 1;\n-- +downgrade\nSELECT 1;\n' \
        "$@" >"$PROJECT/versions/$1.sql"
}
alembic_revision() {
    /usr/bin/python3 - "$@" >"$T/alembic/versions/$1.py" <<'PY'
import sys
revision, down, label, depends, message = sys.argv[1:]
print(f'"""{message}"""\nrevision = {revision!r}\ndown_revision = {tuple(filter(None, down.split(","))) or None!r}')
print(f'branch_labels = {label or None!r}\ndepends_on = {depends or None!r}\ndef upgrade(): pass\ndef downgrade(): pass')
PY
}
PROJECT=$T/project
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions" "$T/alembic/versions"
echo 'versions: versions' >"$PGTIDE_CONFIG"
printf '[alembic]\nscript_location = %s/alembic\n' "$T" >"$T/alembic.ini"
cat >"$T/alembic/env.py" <<'PY'
import os
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool
with create_engine(os.environ["PGTIDE_URL"], poolclass=NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
PY
graph pgtide_revision
graph alembic_revision
alembic() { /usr/bin/python3 -m alembic.config -c "$T/alembic.ini" "$@" 2>/dev/null; }
both() { check "$1" same "$(pgtide "${@:2}")" "$(alembic "${@:2}")"; }

# --- without a database: PGTIDE_URL is not even set
unset PGTIDE_URL
both 'history' history
for range in a001:c002 c001: :c001 c001:+1 base:a001 c001:c001 heads: left@b001:left@head : :base; do
    both "history -r $range" history -r "$range"
done
check 'heads, with their messages' same "$(pgtide heads | sed 's|, .*||')" "$(alembic heads | sort)"
check 'heads that nothing depends on' same "$(pgtide heads --resolve-dependencies)" 'y001 (left) (head), y'
check 'branches' same "$(pgtide branches)" 'a001 (branchpoint)
     -> b001 (left)
     -> c001'
check 'branches -v names what follows' contains "$(pgtide branches -v)" '-> b001 (left), b one'
check 'show heads' contains "$(pgtide show heads)" 'Rev: y001 (head)'
check 'a merge says so' contains "$(pgtide show m001)" 'Merges: b002, c002'
check 'and what else it depends on' contains "$(pgtide show y001)" 'Also depends on: x002'
expect_exit 2 pgtide history -r b002:c002
check 'ends on different branches' grep -q 'does not refer to ancestor/descendant' "$T/err"
expect_exit 2 pgtide history -r c002
expect_exit 2 pgtide history -r :head
expect_exit 2 pgtide show base
check 'a start counted from the heads' same "$(pgtide history -r -1: | cut -d' ' -f3-)" "$(alembic history -r-1: | cut -d' ' -f3-)"

# --- with one
cluster_start one
database one listings
pgtide upgrade c002 >/dev/null
for range in current: :current current:+1 a001:current; do
    both "history -r $range" history -r "$range"
done
both 'history -i' history -i
check 'show current' contains "$(pgtide show current)" 'Rev: c002 (current)'
EDITOR="echo >>$T/edited" expect_exit 0 pgtide edit current
EDITOR="echo >>$T/edited" expect_exit 0 pgtide edit heads
check 'edit opens what the rows name, and every head' same "$(sed 's|.*/||' "$T/edited")" 'c002.sql
y001.sql'
database one edit_nothing
EDITOR=true expect_exit 2 pgtide edit current
check 'at base there is nothing to edit' grep -q 'the database is at base' "$T/err"
PGTIDE_URL=$(cluster_url one listings)
check 'as JSON' same "$(pgtide history -i --json | /usr/bin/python3 -c 'import json,sys; print([r["revision"] for r in json.load(sys.stdin)["result"] if r["current"]])')" \
    "['c002']"
check 'not asked, not known' same "$(pgtide history --json | /usr/bin/python3 -c 'import json,sys; print({r["current"] for r in json.load(sys.stdin)["result"]})')" '{None}'
