#!/usr/bin/env bash
# Generated revisions converge: on the schemas that other tools' projects leave, on one of every kind of object, and on a
# change of nearly everything in it, in the plain and in the safe forms. Each goes up to the model and down to nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/schema_kinds.sh"
test_begin autogenerate_kinds
export PGOPTIONS='-c client_min_messages=error'
cluster_start one wal_level=logical fsync=off
cluster_psql one postgres -c 'CREATE ROLE other'
GOLDEN=$ROOT/tests/golden/import
PROJECT=$T/project
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
database one target
pgtide schema dump --json >"$T/nothing.json"

leads_to() { # MODEL FROM OPTION...: the next revision leads to the dump, and back to the dump FROM
    local model=$1 from=$2
    shift 2
    expect_exit 0 pgtide revision --autogenerate -m next --model "$model" "$@"
    local row
    row=$(rows)
    expect_exit 0 pgtide upgrade
    expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$model"
    expect_exit 0 pgtide downgrade "${row:-base}"
    expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$from"
}
fresh() {
    rm -rf "$PROJECT"
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
}

# --- what other tools' projects leave
theirs() { # NAME, SQL on stdin
    database one "$1"
    cluster_psql one "$1" -f - >/dev/null
    pgtide schema dump --json >"$T/$1.json"
    DATABASE=target PGTIDE_URL=$(cluster_url one target)
    fresh
    leads_to "$T/$1.json" "$T/nothing.json"
    check "$1: it has tables" grep -q '^CREATE TABLE' "$PROJECT"/versions/*
}
theirs golang_migrate < <(cat "$GOLDEN"/golang-migrate/*.up.sql)
theirs goose < <(for file in "$GOLDEN"/goose/*.sql; do sed -n '/+goose [uU]p/,/+goose [dD]own/p' "$file" | sed 's/^.*StatementEnd/;/'; done)
theirs dbmate < <(for file in "$GOLDEN"/dbmate/db/migrations/*.sql; do sed '/migrate:down/,$d' "$file"; done)
theirs diesel < <(cat "$GOLDEN"/diesel/migrations/*/up.sql)
theirs prisma < <(cat "$GOLDEN"/prisma/migrations/*/migration.sql)
theirs example < <(for file in "$ROOT"/migrations/example/versions/*.sql; do sed '/^-- +downgrade/,$d' "$file"; done)

# --- every kind of object, then a change of all of them that can be changed together
database one kinds
kinds_base | cluster_psql one kinds -f - >/dev/null
pgtide schema dump --json >"$T/kinds.json"
changed=0
while read -r change; do
    cluster_psql one kinds -c "$change" >/dev/null 2>&1 && changed=$((changed + 1))
done < <(kinds_changes | grep -v 'ALTER DATABASE\|DETACH PARTITION\|NO INHERIT\|ADD VALUE\|RENAME VALUE')
check 'most were made' test "$changed" -gt 60
pgtide schema dump --json >"$T/changed.json"
DATABASE=target PGTIDE_URL=$(cluster_url one target)
fresh
leads_to "$T/kinds.json" "$T/nothing.json"
expect_exit 0 pgtide upgrade
leads_to "$T/changed.json" "$T/kinds.json"
rm "$PROJECT"/versions/002*

# --- what has safe forms; nothing that is rebuilt keeps it in one transaction
database one safe
kinds_base | cluster_psql one safe -f - >/dev/null
sql "ALTER TABLE t ALTER a SET NOT NULL, ADD CHECK (c < 1000), ADD UNIQUE (b), ADD d int DEFAULT 7, ALTER b TYPE text"
sql "ALTER TABLE u ADD FOREIGN KEY (t) REFERENCES t, ADD u uuid DEFAULT gen_random_uuid(); ALTER TABLE t VALIDATE CONSTRAINT ch"
body='RETURN 1' # with PostgreSQL 14
[ "$(pg_major)" -ge 14 ] || body="AS 'SELECT 1'"
sql "CREATE INDEX n ON t (c); DROP INDEX i; CREATE INDEX p ON part (a); DROP VIEW v; CREATE FUNCTION h() RETURNS int LANGUAGE sql $body"
pgtide schema dump --json >"$T/safe.json"
DATABASE=target PGTIDE_URL=$(cluster_url one target)
leads_to "$T/safe.json" "$T/kinds.json" --safe-forms
for form in 'CREATE INDEX CONCURRENTLY n ' 'CHECK (a IS NOT NULL) NOT VALID' 'REFERENCES public.t(id) NOT VALID' 'UNIQUE USING INDEX' \
    'DROP INDEX CONCURRENTLY'; do
    check "$form" grep -qF "$form" "$PROJECT"/versions/002*
done
