#!/usr/bin/env bash
# The schema as text sees every kind of change that pg_dump would see: each statement below must change it, and
# taking the statement back must bring the former text back.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/schema_kinds.sh"
test_begin schema_text
cluster_start one
database one kinds
cluster_psql one postgres -c 'CREATE ROLE other'
sql "$(kinds_base)"

{
    printf 'CREATE FUNCTION pg_temp.text_of() RETURNS text LANGUAGE sql SET search_path = pg_catalog AS $text$ SELECT md5(string_agg(q::text, %s ORDER BY q::text COLLATE "C")) FROM (\n' "''"
    cat "$ROOT/cli/sql/schema_text.sql"
    printf ') q $text$;\nSELECT pg_temp.text_of() AS before \\gset\n'
    while read -r change; do
        printf 'BEGIN;\n%s;\n' "$change"
        printf "SELECT pg_temp.text_of() = :'before' AS same \\gset\n"
        printf '\\if :same\n\\echo not seen: %s\n\\else\n\\echo seen\n\\endif\nROLLBACK;\n' "${change//\'/\"}"
    done < <(kinds_changes)
    printf "SELECT CASE WHEN pg_temp.text_of() = :'before' THEN 'unchanged' END;\n"
} >"$T/all.sql"
out=$(cluster_psql one kinds -f "$T/all.sql" 2>&1) || { echo "$out"; exit 1; }
check 'every change is seen' same "$(grep -v '^seen$' <<<"$out" || true)" unchanged
check 'all of them were tried' same "$(grep -c '^seen$' <<<"$out")" "$(kinds_changes | wc -l)"

# --- what pgtide keeps in a shard is no part of its schema
before=$(cluster_psql one kinds -c 'SELECT 1' >/dev/null && { echo 'SET search_path = pg_catalog;'; cat "$ROOT/cli/sql/schema_text.sql"; } | cluster_psql one kinds -f - | sort | md5sum)
project kinds
expect_exit 0 pgtide ensure-version
after=$({ echo 'SET search_path = pg_catalog;'; cat "$ROOT/cli/sql/schema_text.sql"; } | cluster_psql one kinds -f - | sort | md5sum)
check 'the ledger is left out' same "$after" "$before"
