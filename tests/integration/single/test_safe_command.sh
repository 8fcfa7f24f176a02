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
