#!/usr/bin/env bash
# `pgtide rehearse`: what each form of a statement locks, rewrites, scans and builds, as the server itself tells it on a
# copy; the database that is copied is only read, and no copy is left.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin rehearse
cluster_start one
project forms
rm "$PROJECT"/versions/*
database one shop
sql "ALTER DATABASE shop SET timezone = 'Europe/Berlin'"

n=0
last=
form() { # SQL: one revision more
    n=$((n + 1))
    local id
    id=$(printf '%03d_form' "$n")
    revision "$id" "$last" "$1" 'SELECT 1;'
    last=$id
}
form 'CREATE TABLE t (id int PRIMARY KEY, a int, v varchar(20), ts timestamp, ts2 timestamp, big int);
CREATE TABLE o (id int PRIMARY KEY, t_id int);
CREATE TABLE r (id int PRIMARY KEY, t_id int REFERENCES t);
CREATE TABLE m (id int) PARTITION BY RANGE (id);
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (1000);
CREATE TABLE m2 (id int);
INSERT INTO t SELECT g, g, g, now(), now(), g FROM generate_series(1, 20000) g;'
expect_exit 0 pgtide upgrade

form 'ALTER TABLE t ADD COLUMN x int;'                                  # 002
form 'ALTER TABLE t ADD COLUMN y float DEFAULT random();'               # 003
form 'CREATE INDEX t_a ON t (a);'                                       # 004
form 'ALTER TABLE t ALTER COLUMN a SET NOT NULL;'                       # 005
form 'ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;'  # 006
form 'ALTER TABLE t VALIDATE CONSTRAINT positive;'                      # 007
form 'ALTER TABLE o ADD CONSTRAINT o_t FOREIGN KEY (t_id) REFERENCES t NOT VALID;' # 008
form 'ALTER TABLE o VALIDATE CONSTRAINT o_t;'                           # 009
form 'ALTER TABLE t ALTER COLUMN big TYPE bigint;'                      # 010
form 'ALTER TABLE t ALTER COLUMN v TYPE varchar(40);'                   # 011
form 'ALTER TABLE t ALTER COLUMN ts TYPE timestamptz;'                  # 012
form "SET LOCAL timezone = 'UTC'; ALTER TABLE t ALTER COLUMN ts2 TYPE timestamptz;" # 013
form 'ALTER TABLE t ADD CONSTRAINT t_v UNIQUE (v);'                     # 014
form 'UPDATE t SET a = a + 1 WHERE id <= 100;'                          # 015
form 'ALTER TABLE o ADD COLUMN z int; UPDATE t SET x = 1;'              # 016
form 'CREATE TABLE p (id int PRIMARY KEY, t_id int REFERENCES t);'      # 017
form 'DROP TABLE r;'                                                    # 018
form 'CREATE TABLE fresh (id int); INSERT INTO fresh SELECT generate_series(1, 100); CREATE INDEX ON fresh (id);' # 019
form 'ALTER TABLE m ATTACH PARTITION m2 FOR VALUES FROM (1000) TO (2000);' # 020
form "DO \$\$ BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN w int'; END \$\$;" # 021
form 'TRUNCATE o, p;'                                                   # 022
form 'COMMENT ON TABLE t IS $$said$$;'                                  # 023
form 'CLUSTER t USING t_pkey;'                                          # 024
form 'CREATE INDEX CONCURRENTLY t_x ON t (x);'                          # 025
form '-- +batch key=id table=t
UPDATE t SET x = 2 WHERE /*+batch*/ true;'                              # 026
sed -i "s/^-- message/-- transaction: none\n-- message/" "$PROJECT"/versions/02[56]_form.sql

told() { # REVISION STATEMENT: class | rewrites | scans | builds on | while locked | locks
    /usr/bin/python3 - "$T/report.json" "$1" "$2" <<'PY'
import json, sys
report = json.load(open(sys.argv[1]))
step = [s for s in report["steps"] if s["revision"] == sys.argv[2]][0]
item = step["statements"][int(sys.argv[3])]
bare = lambda names: " ".join(name.split(".")[1] for name in names)
locks = ", ".join("%s %s" % (lock["relation"].split(".")[1], lock["mode"]) for lock in item["locks"])
print("|".join([item["class"], bare(item["rewrites"]), bare(item["scans"]), bare(item["builds_on"]),
                bare(item["while_locked"]), locks]))
PY
}
tells() { check "$1 $2: $3" same "$(told "$(printf '%03d_form' "$1")" "$2")" "$3"; }
forms() {
    tells 2 0 'instant|||||t ACCESS EXCLUSIVE'
    tells 3 0 'rewrite|t||t||t ACCESS EXCLUSIVE'
    tells 4 0 'build|||t||t SHARE'
    tells 5 0 'scan||t|||t ACCESS EXCLUSIVE'
    tells 6 0 'instant|||||t ACCESS EXCLUSIVE'
    tells 7 0 'scan||t|||t SHARE UPDATE EXCLUSIVE'
    tells 8 0 'instant|||||o SHARE ROW EXCLUSIVE, t SHARE ROW EXCLUSIVE'
    tells 9 0 'scan||o|||o SHARE UPDATE EXCLUSIVE, t ROW SHARE'
    tells 10 0 'rewrite|t||t||t ACCESS EXCLUSIVE'
    tells 11 0 'instant|||||t ACCESS EXCLUSIVE'
    tells 12 0 'rewrite|t||t||t ACCESS EXCLUSIVE'
    tells 13 1 'instant|||||t ACCESS EXCLUSIVE'
    tells 14 0 'build|||t||t ACCESS EXCLUSIVE'
    tells 15 0 'rows|||||t ROW EXCLUSIVE'
    tells 16 0 'instant|||||o ACCESS EXCLUSIVE'
    tells 16 1 'rows||||o|t ROW EXCLUSIVE'
    tells 17 0 'instant|||||t SHARE ROW EXCLUSIVE'
    tells 18 0 'instant|||||r ACCESS EXCLUSIVE, t ACCESS EXCLUSIVE'
    tells 19 2 'instant|||||'
    tells 20 0 'scan||m2|||m2 ACCESS EXCLUSIVE, m SHARE UPDATE EXCLUSIVE'
    tells 21 0 'instant|||||t ACCESS EXCLUSIVE'
    tells 22 0 'instant|||||o ACCESS EXCLUSIVE, p ACCESS EXCLUSIVE'
    tells 23 0 'instant|||||t SHARE UPDATE EXCLUSIVE'
    tells 24 0 'rewrite|t||t||t ACCESS EXCLUSIVE'
    tells 25 0 'build|||t||t SHARE UPDATE EXCLUSIVE'
    tells 26 0 'rows|||||t ROW EXCLUSIVE'
}
report() { /usr/bin/python3 -c "import json; print(json.load(open('$T/report.json'))$1)"; }
no_copies() { [ "$(cluster_psql one postgres -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide_scratch%'")" = 0 ]; }

# --- the schema alone
before=$(sql "SELECT version_num, (SELECT count(*) FROM pgtide.history), (SELECT fence FROM pgtide.shard) FROM alembic_version")
expect_exit 0 pgtide rehearse -o "$T/report.json"
check 'says it' contains "$(cat "$T/out")" 'on a copy without data of shop'
check 'all of it' contains "$(cat "$T/out")" '25 of 25 steps'
forms
check 'a lock is held to the end' contains "$(cat "$T/out")" 'ran while public.o was locked against everything'
check 'an estimate from the real size' test "$(report "['steps'][1]['estimate_ms']")" -gt 50
check 'of the real table' test "$(report "['steps'][1]['statements'][0]['table_bytes']")" -ge 1000000
check 'no rows were changed' same "$(report "['steps'][13]['statements'][0]['rows']")" 0
check 'the database is as it was' same "$(sql "SELECT version_num, (SELECT count(*) FROM pgtide.history), (SELECT fence FROM pgtide.shard) FROM alembic_version")" "$before"
check 'no copy is left' no_copies

# --- with data, and as a clone
rm "$T/report.json"
expect_exit 0 pgtide rehearse --dump -o "$T/report.json"
forms
check 'rows were changed' same "$(report "['steps'][13]['statements'][0]['rows']")" 100
check 'and written' test "$(report "['steps'][1]['statements'][0]['wal_bytes']")" -ge 500000
expect_exit 2 pgtide rehearse --dump -o "$T/report.json"
check 'no report is written over' contains "$(cat "$T/err")" 'report.json'
rm "$T/report.json"
expect_exit 0 pgtide rehearse --clone -o "$T/report.json" 005_form
check 'up to a target' same "$(report "['rows_after']")" "['005_form']"
tells 5 0 'scan||t|||t ACCESS EXCLUSIVE'
expect_exit 0 pgtide rehearse --json 003_form
check 'as a result' contains "$(cat "$T/out")" '"format":"pgtide-rehearsal-1"'
check 'no copy is left' no_copies

# --- a step that fails
form 'ALTER TABLE t ADD COLUMN late int;
ALTER TABLE t ADD COLUMN late int;'
expect_exit 1 pgtide rehearse
check 'is told with its line' contains "$(cat "$T/err")" "027_form.sql:$(grep -n late "$PROJECT/versions/027_form.sql" | tail -n 1 | cut -d: -f1)"
check 'what ran before it too' contains "$(cat "$T/out")" '25 of 26 steps'
check 'no copy is left' no_copies
rm "$PROJECT/versions/027_form.sql"

# --- a bundle
expect_exit 0 pgtide bundle build --name forms -o "$T/forms.bundle"
digest=$(pgtide bundle show "$T/forms.bundle" --json | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["digest"])')
rm "$T/report.json"
expect_exit 0 pgtide rehearse --bundle "$T/forms.bundle" -o "$T/report.json"
check 'its digest is in the report' same "$(report "['bundle']")" "$digest"

# --- a tenant's schema
sql 'CREATE SCHEMA tenant'
expect_exit 0 pgtide upgrade --schema tenant 001_form
expect_exit 0 pgtide rehearse --schema tenant 002_form
check "the tenant's table" contains "$(cat "$T/out")" 'locks tenant.t: ACCESS EXCLUSIVE'

# --- a temporary server, with the roles that there are
sql 'CREATE ROLE app'
sql 'GRANT SELECT ON t TO app'
expect_exit 0 as_pg env TMPDIR="$T/one/socket" PGTIDE_URL="$PGTIDE_URL" PGTIDE_CONFIG="$PGTIDE_CONFIG" "$BIN/pgtide" rehearse --local 002_form
check 'on it' contains "$(cat "$T/out")" 'locks public.t: ACCESS EXCLUSIVE'
check 'it is gone' same "$(find "$T/one/socket" -maxdepth 1 -name 'pgtide-*')" ''

# --- nothing to do, and wrong use
expect_exit 0 pgtide rehearse 001_form
check 'nothing' contains "$(cat "$T/out")" 'nothing to rehearse'
expect_exit 2 pgtide rehearse --clone --dump
expect_exit 2 pgtide rehearse --clone --scratch-url "$PGTIDE_URL"
expect_exit 2 pgtide rehearse --local --scratch-url "$PGTIDE_URL"
exec 8> >(cluster_psql one shop >/dev/null 2>&1)
echo 'SELECT pg_sleep(60);' >&8
in_use() { [ "$(cluster_psql one postgres -c "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND query LIKE '%pg_sleep%'")" = 1 ]; }
wait_for 10 'somebody to be connected' in_use
expect_exit 1 pgtide rehearse --clone
check 'a clone needs it alone' contains "$(cat "$T/err")" 'nobody is connected to'
cluster_psql one postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()" >/dev/null
exec 8>&-
check 'no copy is left' no_copies
