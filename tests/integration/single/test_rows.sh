#!/usr/bin/env bash
# Statements of an author's that answer with rows: nobody reads them, so however many they are, they take no room.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin rows
cluster_start one
project rows
V=$PROJECT/versions
rm "$V"/*

# Runs a command; the most memory it ever had, in MB, is in $T/peak.
peak_of() {
    /usr/bin/python3 -c '
import resource, subprocess, sys
status = subprocess.call(sys.argv[2:])
with open(sys.argv[1], "w") as peak:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=peak)
sys.exit(status)' "$T/peak" "$@"
}
peak_limit_mb=64 # without rows it is less than half; the rows below are many times as much
is_small() { [ "$(cat "$T/peak")" -le "$peak_limit_mb" ] || { echo "it had $(cat "$T/peak") MB" >&2 && return 1; }; }
many='SELECT generate_series(1, 5000000)'
wide="SELECT repeat('x', 1000) FROM generate_series(1, 200000)"

# --- in a transaction, in the +verify section, and both at once
database one inside
revision 001_many '' "$many;
CREATE TABLE first (id int);
INSERT INTO first SELECT generate_series(1, 1000) RETURNING id;
SELECT * FROM first WHERE false;" "DELETE FROM first RETURNING id; DROP TABLE first;" "$wide; SELECT true FROM first;"
expect_exit 0 peak_of "$BIN/pgtide" upgrade
check 'five million rows' is_small
check 'the step is done' same "$(rows)|$(sql 'SELECT count(*) FROM first')" '001_many|1000'
expect_exit 0 pgtide downgrade base
check 'and taken back' same "$(rows)" ''

# --- what a statement says behind its rows still counts
database one error
revision 001_many '' "CREATE TABLE first (id int);
SELECT 1 / (100000 - g) FROM generate_series(1, 200000) g;
CREATE TABLE second (id int);" 'SELECT 1;'
expect_exit 1 pgtide upgrade
check 'the error behind the rows' contains "$(cat "$T/err")" 'division by zero'
check 'and where it is' contains "$(cat "$T/err")" "001_many.sql:$(grep -n 100000 "$V/001_many.sql" | cut -d: -f1)"
check 'nothing stays' same "$(rows)|$(sql "SELECT to_regclass('first')")" '|'

# --- +verify: one row that is false refuses; more than one, or none, is no word
database one verify
for answer in 'SELECT false|1' 'SELECT false FROM generate_series(1, 2)|0' 'SELECT false FROM generate_series(1, 3)|0' \
    'SELECT false WHERE false|0' 'SELECT true|0' 'SELECT NULL::bool|0' 'SELECT false, false|0'; do
    revision 001_many '' 'SELECT 1;' 'SELECT 1;' "${answer%|*};"
    expect_exit "${answer#*|}" pgtide upgrade
    [ "${answer#*|}" = 0 ] || check 'it says so' contains "$(cat "$T/err")" 'the +verify section says false'
    expect_exit 0 pgtide downgrade base
done

# --- outside a transaction: alone, and its probe
database one outside
revision 001_many '' "CREATE TABLE first (id int);
-- +rerunnable
$wide;" 'DROP TABLE first;'
sed -i '1a -- transaction: none' "$V/001_many.sql"
expect_exit 0 peak_of "$BIN/pgtide" upgrade
check 'many rows of a statement alone' is_small
expect_exit 0 pgtide downgrade base
for answer in 'SELECT true|0' 'SELECT true FROM generate_series(1, 2)|5' \
    'SELECT true FROM generate_series(1, 3)|5' "$wide|5"; do
    revision 001_many '' "-- +probe ${answer%|*}
VACUUM;" 'SELECT 1;'
    sed -i '1a -- transaction: none' "$V/001_many.sql"
    expect_exit "${answer#*|}" peak_of "$BIN/pgtide" upgrade
    check 'a probe is one row' contains "$([ "${answer#*|}" = 0 ] || cat "$T/err")" "$([ "${answer#*|}" = 0 ] || echo 'must answer one boolean')"
    check 'and no more than that is kept of it' is_small
    [ "${answer#*|}" = 5 ] || expect_exit 0 pgtide downgrade base
done

# --- hooks
database one hooks
rm "$V/001_many.sql"
revision 002_small '' 'SELECT 1;' 'SELECT 1;'
cat >>"$PGTIDE_CONFIG" <<YAML
hooks:
  before-run:
    - sql: $wide
YAML
expect_exit 0 peak_of "$BIN/pgtide" upgrade
check 'many rows of a hook' is_small
