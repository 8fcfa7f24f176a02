#!/usr/bin/env bash
# `pgtide lint` on a scratch database: every rule's cases, forms of its output, what is looked at, and how it ends.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib.sh"
test_begin lint
cluster_start one fsync=off
CLUSTER=one DATABASE=postgres
project forms
cases=$(cd "$here/../../unit/engine/lint/cases" && pwd)
scratch=(--scratch-url "$(cluster_url one postgres)")

# --- what a trace decides, confirms and drops ---------------------------------------------------------------------------
rm "$PROJECT"/versions/*
read -ra wanted < <(/usr/bin/python3 "$here/lint_cases.py" write "$cases" "$PROJECT/versions")
pgtide lint --json "${scratch[@]}" "${wanted[@]}" >"$T/cases.json" && code=0 || code=$?
check 'findings end with 3' test "$code" = 3
check 'each bad case has its finding, and what is proven or safe has none' \
    /usr/bin/python3 "$here/lint_cases.py" check "$cases" "$T/cases.json"
check 'no scratch database is left' test "$(sql "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide_scratch%'")" = 0

# --- a small project --------------------------------------------------------------------------------------------------
rm "$PROJECT"/versions/*
revision 001_base '' 'CREATE TABLE public.t (id bigint PRIMARY KEY, a int, b int);' 'DROP TABLE t;'
revision 002_null 001_base 'ALTER TABLE t ALTER a SET NOT NULL;' 'SELECT 1;'
revision 003_meant 002_null '-- +ignore set-not-null: "small", and quiet
ALTER TABLE t ALTER b SET NOT NULL;' 'SELECT 1;'
cd "$PROJECT"
unset PGTIDE_CONFIG
said() { "$@" >"$T/said" 2>&1 || true; cat "$T/said"; }

expect_exit 3 pgtide lint
check 'a finding has file, line and column' grep -qF 'versions/002_null.sql:6:15: error set-not-null' <(said pgtide lint)
check 'the safe form is named' grep -qF 'pgtide revision --safe 002_null' <(said pgtide lint)
check 'what is ignored is counted' grep -qF '3 files: 1 error, 0 warnings, 0 notes, 1 ignored' <(said pgtide lint)
expect_exit 0 pgtide lint 001_base
expect_exit 0 pgtide lint 001_base 003_meant
expect_exit 3 pgtide lint 001_base:002_null
expect_exit 3 pgtide lint versions/002_null.sql
expect_exit 0 pgtide lint --since 002_null
expect_exit 3 pgtide lint --since 001_base
expect_exit 0 pgtide lint --fail-on never
expect_exit 2 pgtide lint --fail-on sometimes
expect_exit 2 pgtide lint --format xml
expect_exit 2 pgtide lint --json --format sarif
expect_exit 2 pgtide lint nowhere
expect_exit 2 pgtide lint versions/nowhere.sql
expect_exit 6 pgtide lint --scratch-url "host=$T port=1"

# --- SARIF and annotations --------------------------------------------------------------------------------------------
said pgtide lint --format sarif >"$T/out.sarif"
check 'SARIF says what was found where, and what is ignored why' /usr/bin/python3 - "$T/out.sarif" <<'PY'
import json, sys
log = json.load(open(sys.argv[1]))
assert log["version"] == "2.1.0" and len(log["runs"]) == 1
run = log["runs"][0]
rules = run["tool"]["driver"]["rules"]
assert len({rule["id"] for rule in rules}) == len(rules)
meant, = [r for r in run["results"] if "suppressions" in r]
found, = [r for r in run["results"] if "suppressions" not in r]
assert meant["suppressions"] == [{"kind": "inSource", "justification": '"small", and quiet'}], meant
for result in meant, found:
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "set-not-null"
    assert result["level"] == "error" and result["message"]["text"]
place = found["locations"][0]["physicalLocation"]
assert place == {"artifactLocation": {"uri": "versions/002_null.sql"}, "region": {"startLine": 6, "startColumn": 15}}, place
PY
check 'GitHub gets one line a finding' grep -qE \
    '^::error file=versions/002_null.sql,line=6,col=15,title=set-not-null::SET NOT NULL, of t.a%0AACCESS EXCLUSIVE, scan: ' \
    <(said pgtide lint --format github)
check 'and nothing of what is ignored' test "$(said pgtide lint --format github | wc -l)" = 1

# --- the project's configuration --------------------------------------------------------------------------------------
printf 'lint:\n  fail-on: warning\n  rules:\n    set-not-null: note\n' >>pgtide.yaml
expect_exit 0 pgtide lint
expect_exit 3 pgtide lint --fail-on note
printf '    set-not-nul: off\n' >>pgtide.yaml
expect_exit 2 pgtide lint
check 'an unknown rule is refused with its line' grep -qF 'pgtide.yaml:6' <(said pgtide lint)
sed -i 's/set-not-nul:/refused:/' pgtide.yaml
expect_exit 2 pgtide lint
sed -i '/refused/d' pgtide.yaml

# --- files that pgtide does not run, and statements that fail ---------------------------------------------------------
revision 004_wrong 003_meant 'ALTER TABLE nowhere ADD COLUMN x int;' 'SELECT 1;'
expect_exit 0 pgtide lint 004_wrong
expect_exit 3 pgtide lint "${scratch[@]}" 004_wrong
check 'a statement that fails is a finding with its SQLSTATE' grep -qF 'SQLSTATE 42P01' "$T/out"
check 'at its place' grep -qE '^versions/004_wrong.sql:6:[0-9]+: error statement-fails' "$T/out"
revision 004_wrong 003_meant "DO \$\$ BEGIN RAISE EXCEPTION 'x' USING HINT = E'\\x1b[31mred\\n::error file=a::b'; END \$\$;" 'SELECT 1;'
for format in text github; do
    expect_exit 3 pgtide lint "${scratch[@]}" --format "$format" 004_wrong
    check "$format: no word of the server steers who reads it" test "$(grep -c $'\x1b\|^::error file=a' "$T/out" || true)" = 0
    check "$format: it is told" grep -q red "$T/out"
done
expect_exit 2 pgtide lint --url "$(cluster_url one postgres)"
check 'a server that nothing is run on is refused' grep -q -- '--trace' "$T/err"
expect_exit 2 pgtide lint -x nothing
check 'a placeholder without a value is refused' grep -q 'NAME=VALUE' "$T/err"
revision 005_behind 004_wrong 'SELECT 1;' 'SELECT 1;'
expect_exit 1 pgtide lint "${scratch[@]}" 005_behind
revision 006_refused 005_behind 'VACUUM;' 'SELECT 1;'
expect_exit 3 pgtide lint
check 'a file that is refused is a finding among others' grep -qE '^versions/006_refused.sql:6:.* error refused' <(said pgtide lint)
expect_exit 2 pgtide lint --trace
