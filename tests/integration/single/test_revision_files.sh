#!/usr/bin/env bash
# Making and editing revision files: templates, parents, labels, directories. No database.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cluster.sh"
test_begin revision-files
cd "$T"
pgtide() { "$BIN/pgtide" "$@"; }
json() { /usr/bin/python3 -c 'import json,sys; print(eval(sys.argv[1], {"r": json.load(sys.stdin)["result"]}))' "$1"; }

# --- templates
check 'both templates are listed' same "$(pgtide list-templates --json | json '[t["name"] for t in r]')" \
    "['plain', 'multi-tenant']"
check 'underscores are accepted' same "$(pgtide list_templates)" "$(pgtide list-templates)"
pgtide init plain >/dev/null
check 'the plain project' same "$(cd plain && echo *)" 'README.md pgtide.yaml safe versions'
pgtide init many --template multi-tenant >/dev/null
check 'the multi-tenant project' same "$(cd many && echo *)" \
    'README.md databases.txt pgtide.yaml rollout.yaml safe versions'
expect_exit 2 pgtide init other -t nothing
check 'an unknown template makes nothing' test ! -e other
expect_exit 2 pgtide init plain
check 'a project is never made over another' grep -q 'is there already' "$T/err"

# --- parents
cd plain
pgtide revision -m 'Add users' >/dev/null
pgtide revision -m 'Add rooms' --branch-label rooms >/dev/null
expect_exit 2 pgtide revision -m fork --head 001_add_users
check 'a fork must be asked for' grep -q 'is not a head revision' "$T/err"
pgtide revision -m fork --head 001_add_users --splice >/dev/null
check 'two heads' same "$(pgtide heads --json | json 'len(r)')" 2
expect_exit 2 pgtide revision -m more
check 'several heads are named' grep -q '002_add_rooms, 003_fork' "$T/err"
expect_exit 2 pgtide merge 001_add_users 003_fork
check 'a merge joins heads' grep -q 'is not a head revision' "$T/err"
pgtide merge rooms@head 003_fork -m join --rev-id joined >/dev/null
check 'the merge has both parents' grep -qx -- '-- revises: 002_add_rooms, 003_fork' versions/joined_join.sql
pgtide revision -m apart --head base --depends-on rooms >/dev/null
check 'what it depends on is resolved' grep -qx -- '-- depends-on: 002_add_rooms' versions/004_apart.sql
pgtide revision -m both --head joined --head 004 >/dev/null
check 'several parents' grep -qx -- '-- revises: joined, 004_apart' versions/005_both.sql

# --- nothing is written that the graph could not hold
files=$(ls versions)
expect_exit 2 pgtide revision -m again --branch-label rooms
check 'a label is used once' grep -q "label 'rooms'" "$T/err"
expect_exit 2 pgtide revision -m again --rev-id joined
expect_exit 2 pgtide revision -m again --rev-id 'a-b'
expect_exit 2 pgtide revision -m again --depends-on nothing
expect_exit 2 pgtide revision -m again --autogenerate
check "without a model" grep -q "no model" "$T/err"
mkfifo versions/002_pipe.sql
expect_exit 1 pgtide heads
check 'a pipe among the revisions is no file' grep -q "002_pipe.sql': it is a pipe, not a file" "$T/err"
expect_exit 1 pgtide heads --config versions/002_pipe.sql
rm versions/002_pipe.sql
check 'no file came of any of these' same "$(ls versions)" "$files"

# --- directories
expect_exit 2 pgtide revision -m elsewhere --version-path "$T"
mkdir billing
sed -i 's/^versions:.*/versions: [versions, billing]/' pgtide.yaml
pgtide revision -m bill --head base --version-path billing/ >/dev/null
check 'it went where it was told to' test -e billing/006_bill.sql
pgtide revision -m more --head 005_both >/dev/null
check 'the next one is beside its parent' test -e versions/007_more.sql

# --- hash ids
sed -i 's/^naming:.*/naming: hash/' pgtide.yaml
pgtide revision -m hashed --head 007_more >/dev/null
check 'a hash id' test "$(ls versions | grep -cE '^[0-9a-f]{12}_hashed\.sql$')" -eq 1

# --- editing
EDITOR='sed -i s/^--.message:.*/--\ message:\ new/' pgtide edit 007
check 'the editor got the file' grep -qx -- '-- message: new' versions/007_more.sql
expect_exit 1 env EDITOR=false "$BIN/pgtide" edit 007_more
check 'a failing editor is told' grep -q 'the editor ended with exit status 1' "$T/err"
expect_exit 2 env EDITOR='sed -i s/^--.message/--\ massage/' "$BIN/pgtide" edit 007_more
check 'what was broken is told with its line' grep -q '007_more.sql:[0-9]' "$T/err"
EDITOR='sed -i s/^--.massage/--\ message/' pgtide edit 007_more
check 'and can be edited again' contains "$(pgtide history)" 007_more
expect_exit 2 pgtide edit nothing
