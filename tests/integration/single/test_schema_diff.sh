#!/usr/bin/env bash
# The difference of two schemas converges: after its SQL there is none. For every kind of object, there and back, on random
# pairs, and for what people do by hand; what no SQL leads to is said.
#   PGTIDE_SEEDS='1 2 3' runs these seeds instead of random ones.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/schema_kinds.sh"
test_begin schema_diff
export PGOPTIONS='-c client_min_messages=error'
cluster_start one wal_level=logical fsync=off
cluster_psql one postgres -c 'CREATE ROLE other' -c 'CREATE DATABASE a' -c 'CREATE DATABASE b'
PGTIDE_URL=$(cluster_url one postgres)
export PGTIDE_URL
on() { cluster_psql one "$@"; }
dump() { pgtide schema dump --json --owners --url "$(cluster_url one "$1")" >"$T/$2.json"; }
difference() { pgtide schema diff --owners --sql "$T/$1.json" "$T/$2.json" >"$T/$3.sql" 2>"$T/$3.err" || [ $? -eq 3 ]; }
equal() { # A B: the fingerprints of two dumps
    local one two
    one=$(grep -o '"fingerprint":"[^"]*"' "$T/$1.json")
    two=$(grep -o '"fingerprint":"[^"]*"' "$T/$2.json")
    [ "$one" = "$two" ] || { pgtide schema diff --owners "$T/$1.json" "$T/$2.json" >&2; return 1; }
}
says() { # WHAT WORDS FROM TO [OPTION...]: the difference has these words in it, and exit status 3
    local what=$1 words=$2
    shift 2
    expect_exit 3 pgtide schema diff "$@"
    check "$what" contains "$(cat "$T/out")" "$words"
}

# --- every kind of change, there and back
kinds_base | on a -f -
kinds_base | on b -f -
dump a base
sed 's/"server_major":[0-9]*/"server_major":12/' "$T/base.json" >"$T/old.json"
expect_exit 0 pgtide schema diff --owners "$T/old.json" "$T/base.json"
check 'texts of two versions are said to be' contains "$(cat "$T/err")" "PostgreSQL 12 wrote the one schema, and PostgreSQL $KINDS_SERVER"
expect_exit 0 pgtide schema diff --owners "$T/base.json" "$T/base.json"
check 'of one they are not' same "$(cat "$T/err")" ''
tried=0
round_trip() { # a group of changes, made in b
    dump b changed
    difference base changed up
    difference changed base down
    check "$1: there is a difference" grep -q ';$' "$T/up.sql"
    check "$1: its SQL runs" on a -f "$T/up.sql" >/dev/null
    dump a reached
    check "$1: there is none any more" equal reached changed
    check "$1: the way back runs" on a -f "$T/down.sql" >/dev/null
    dump a back
    check "$1: it leads back" equal back base
    on b -f "$T/down.sql" >/dev/null
}
# In groups, to save time; what can't be with the others of its group waits for the next.
mapfile -t waiting < <(kinds_changes | grep -v 'ALTER DATABASE\|DETACH PARTITION\|NO INHERIT\|ADD VALUE\|RENAME VALUE')
while [ "${#waiting[@]}" -gt 0 ]; do
    group=() others=()
    for change in "${waiting[@]}"; do
        if [ "${#group[@]}" -lt 9 ] && on b -c "$change" >/dev/null 2>&1; then group+=("$change"); else others+=("$change"); fi
    done
    check "this runs at all: ${waiting[0]}" test "${#group[@]}" -gt 0
    round_trip "$(printf '%s; ' "${group[@]}")"
    tried=$((tried + ${#group[@]}))
    waiting=("${others[@]}")
done
check 'all kinds were tried' test "$tried" -gt 85

# --- what no SQL leads to
on b -c 'ALTER TABLE part DETACH PARTITION part1' -c 'ALTER TABLE child NO INHERIT t' -c "ALTER TYPE e RENAME VALUE 'a' TO 'z'"
dump b changed
for words in 'cannot table public.part1: "partition of" differs' 'cannot table public.child: "inherits" differs' \
    'cannot type public.e: labels of an enum'; do
    says "$words" "$words" --owners "$T/base.json" "$T/changed.json"
done
check 'nothing else is tried' same "$(grep -vc '^cannot' "$T/out" || true)" 0

# --- random pairs
seeds=${PGTIDE_SEEDS:-$(for _ in 1 2 3 4; do echo "$((RANDOM * 32768 + RANDOM))"; done)}
echo "schema_diff: seeds" $seeds
for seed in $seeds; do
    on postgres -c 'DROP DATABASE IF EXISTS a' -c 'DROP DATABASE IF EXISTS b' -c 'CREATE DATABASE a' -c 'CREATE DATABASE b'
    /usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/schema_random.py" "$seed" "$T/a.sql" "$T/b.sql" "$KINDS_SERVER"
    on a -f "$T/a.sql" >/dev/null
    on b -f "$T/b.sql" >/dev/null
    dump a first
    dump b second
    difference first second up
    difference second first down
    check "seed $seed: up" on a -f "$T/up.sql" >/dev/null
    dump a reached
    check "seed $seed: up converges" equal reached second
    check "seed $seed: down" on b -f "$T/down.sql" >/dev/null
    dump b reached
    pgtide schema diff --owners "$T/reached.json" "$T/first.json" >"$T/left" 2>/dev/null || true
    check "seed $seed: down converges, but for labels" same "$(grep -v '^cannot type public.mood: labels' "$T/left" || true)" ''
done

# --- files: a new label is used at once, a view stands on a column that changes its type, rows are there
mkdir "$T/old" "$T/new"
cat >"$T/old/1.sql" <<'END'
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE users (id int PRIMARY KEY, name text NOT NULL, mood mood DEFAULT 'ok', CHECK (name <> ''));
END
cat >"$T/old/2.sql" <<'END'
CREATE VIEW names AS SELECT id, name FROM users;
CREATE VIEW short_names AS SELECT id FROM names WHERE length(name) < 5;
GRANT SELECT ON short_names TO other;
CREATE INDEX users_name ON users (name);
END
cat >"$T/new/1.sql" <<'END'
CREATE TYPE mood AS ENUM ('awful', 'sad', 'fine', 'ok', 'great');
CREATE TABLE people (id bigint PRIMARY KEY, full_name text NOT NULL, mood mood DEFAULT 'great', CONSTRAINT users_name_check CHECK (full_name <> ''));
END
sed 's/SELECT id, name FROM users/SELECT id, full_name AS name FROM people/; s/ON users (name)/ON people (full_name)/' "$T/old/2.sql" >"$T/new/2.sql"
on postgres -c 'DROP DATABASE a' -c 'CREATE DATABASE a'
cat "$T"/old/*.sql | on a -f -
on a -c "INSERT INTO users VALUES (1, 'Ann', 'sad')"
says 'a rename is a drop unless it is said' 'drop table public.users (rows are lost)' "$T/old" "$T/new"
renames=(--rename public.users=people --rename public.people.name=full_name)
says 'a rename' 'ALTER TABLE public.people RENAME COLUMN name TO full_name;' "${renames[@]}" "$T/old" "$T/new"
check 'nothing that has rows is dropped' same "$(grep -c 'rows are lost\|DROP TABLE\|DROP COLUMN' "$T/out" || true)" 0
check 'the check and the index stay' same "$(grep -c 'users_name_check\|DROP INDEX' "$T/out" || true)" 0
pgtide schema diff --sql "${renames[@]}" "$(cluster_url one a)" "$T/new" >"$T/up.sql" || [ $? -eq 3 ]
check 'its SQL runs' on a -f "$T/up.sql"
expect_exit 0 pgtide schema diff "$(cluster_url one a)" "$T/new"
check 'the row is there' same "$(on a -c "SELECT full_name, mood, (SELECT count(*) FROM short_names) FROM people")" 'Ann|sad|1'
expect_exit 3 pgtide schema diff --json "${renames[@]}" "$T/old" "$T/new"
check 'JSON tells both ways' /usr/bin/python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))["result"]
up, down = result["upgrade"], result["downgrade"]
assert [o["change"] for o in up[:2]] == ["alter", "rename"] and up[0]["alone"], up[:2]
assert "ALTER TABLE public.people RENAME TO users" in [sql for o in down for sql in o["sql"]], down
assert any(o["change"] == "cannot" and o["kind"] == "type" for o in down) and result["cannot"] == 0' "$T/out"

# --- tenants' schemas of one database, against a file without their name
on a -c 'CREATE SCHEMA tenant; SET search_path = tenant; CREATE TABLE x (id int)'
echo 'CREATE TABLE x (id int, more text); CREATE INDEX x_more ON x (more);' >"$T/tenant.sql"
expect_exit 3 pgtide schema diff --sql --schema tenant "$(cluster_url one a)" "$T/tenant.sql"
{ echo 'SET search_path = tenant;'; cat "$T/out"; } | on a -f - >/dev/null
expect_exit 0 pgtide schema diff --schema tenant "$(cluster_url one a)" "$T/tenant.sql"
dumps=$("$PG_BIN/pg_dump" --version | sed 's/.*) \([0-9]*\).*/\1/')
if [ "$dumps" -ge "$KINDS_SERVER" ]; then # an older one refuses the server
    as_pg "$PG_BIN/pg_dump" -s -n tenant -d "$(cluster_url one a)" >"$T/dumped.sql"
    check 'a dump makes its schema' grep -q '^CREATE SCHEMA tenant' "$T/dumped.sql"
    expect_exit 0 pgtide schema diff --schema tenant "$(cluster_url one a)" "$T/dumped.sql"
fi
printf 'CREATE SCHEMA tenant; CREATE TABLE t (); CREATE SCHEMA tenant;' >"$T/twice.sql"
expect_exit 1 pgtide schema diff --schema tenant "$(cluster_url one a)" "$T/twice.sql"
check 'but only once' contains "$(cat "$T/err")" 'schema "tenant" already exists'
expect_exit 0 pgtide schema diff --schema 'a, public.b' "$T/tenant.sql" "$T/tenant.sql"

# --- default privileges give nothing to what is made
on postgres -c 'DROP DATABASE a' -c 'CREATE DATABASE a'
on a -c 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO other' -c 'ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC'
echo "CREATE TABLE secret (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE COLLATION c FROM \"C\";
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO other; ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;" >"$T/given.sql"
pgtide schema diff --sql "$(cluster_url one a)" "$T/given.sql" >"$T/up.sql" || [ $? -eq 3 ]
on a -f "$T/up.sql" >/dev/null
expect_exit 0 pgtide schema diff "$(cluster_url one a)" "$T/given.sql"

# --- a narrower type is the rows' to refuse; what may lose values is said
on postgres -c 'DROP DATABASE a' -c 'CREATE DATABASE a'
echo 'CREATE TABLE c (v varchar(5), c char(5), t text, b bit(5), vb varbit(5), a varchar(5)[], n numeric(6,2));' >"$T/wide.sql"
echo 'CREATE TABLE c (v varchar(3), c char(3), t varchar(3), b bit(3), vb varbit(3), a varchar(3)[], n numeric(4,2));' >"$T/narrow.sql"
on a -f "$T/wide.sql"
on a -c "INSERT INTO c VALUES ('12345', '12345', '12345', '10101', '10101', '{12345}', 9999.99)"
pgtide schema diff --sql "$(cluster_url one a)" "$T/narrow.sql" >"$T/up.sql" || [ $? -eq 3 ]
check 'nothing is lost by it' same "$(grep -c 'lost' "$T/up.sql" || true)" 0
refused=0
while read -r statement; do
    on a -c "$statement" >/dev/null 2>&1 || refused=$((refused + 1))
done < <(grep '^ALTER' "$T/up.sql")
check 'the rows refuse each of them' same "$refused" 7
on a -c 'TRUNCATE c'
check 'without rows it runs' on a -f "$T/up.sql"
expect_exit 0 pgtide schema diff "$(cluster_url one a)" "$T/narrow.sql"
echo 'CREATE TABLE c (at date, n numeric(6,1), i int);' >"$T/dull.sql"
echo 'CREATE TABLE c (at timestamp, n numeric(6,2), i boolean);' >"$T/fine.sql"
says 'a time becomes a date' 'alter column public.c.at (values may be lost)' "$T/fine.sql" "$T/dull.sql"
check 'a smaller scale' contains "$(cat "$T/out")" 'alter column public.c.n (values may be lost)'
says 'a number becomes a truth' 'alter column public.c.i (values may be lost)' "$T/dull.sql" "$T/fine.sql"
check 'the others only grow' same "$(grep -c 'may be lost' "$T/out")" 1

# --- a counter goes on where the rows end, and is said to be lost with its identity; so is what a type had
on postgres -c 'DROP DATABASE a' -c 'CREATE DATABASE a'
cat >"$T/plain.sql" <<'END_SQL'
CREATE TABLE "It's" ("n ""\ o'" int NOT NULL, down int NOT NULL); CREATE TABLE empty (id int NOT NULL); CREATE TABLE serials (id serial);
CREATE TABLE low (id int NOT NULL); CREATE TYPE pair AS (a int, b int);
END_SQL
cat >"$T/counted.sql" <<'END_SQL'
CREATE TABLE "It's" ("n ""\ o'" int GENERATED ALWAYS AS IDENTITY, down int GENERATED ALWAYS AS IDENTITY (INCREMENT BY -1));
CREATE TABLE empty (id int GENERATED ALWAYS AS IDENTITY); CREATE TABLE serials (id int GENERATED BY DEFAULT AS IDENTITY);
CREATE TABLE low (id int GENERATED ALWAYS AS IDENTITY (START WITH 100)); CREATE TYPE pair AS (a int, c int);
END_SQL
on a -f "$T/plain.sql"
on a -c "INSERT INTO \"It's\" VALUES (7, -3), (5, 9)" -c 'INSERT INTO low VALUES (-4)' -c 'INSERT INTO serials SELECT FROM generate_series(1, 3)'
dump a plain
pgtide schema diff --sql "$(cluster_url one a)" "$T/counted.sql" >"$T/up.sql" || [ $? -eq 3 ]
check 'an attribute that another one replaces' contains "$(cat "$T/up.sql")" '-- values may be lost: alter type public.pair'
check 'its SQL runs' on a -f "$T/up.sql" >/dev/null
expect_exit 0 pgtide schema diff "$(cluster_url one a)" "$T/counted.sql"
check 'counters go on' same "$(on a -c "INSERT INTO \"It's\" DEFAULT VALUES RETURNING *")" '8|-4'
check 'one begins where there are no rows' same "$(on a -c 'INSERT INTO empty DEFAULT VALUES RETURNING id')" 1
check 'or only rows before it' same "$(on a -c 'INSERT INTO low DEFAULT VALUES RETURNING id')" 100
check "a serial's too" same "$(on a -c 'INSERT INTO serials DEFAULT VALUES RETURNING id')" 4
pgtide schema diff --sql "$(cluster_url one a)" "$T/plain.sql" >"$T/down.sql" || [ $? -eq 3 ]
check 'the way back says what is lost' same "$(grep -c '^-- values may be lost: alter column' "$T/down.sql")" 5
check 'the way back runs' on a -f "$T/down.sql" >/dev/null
dump a back
check 'it leads back' equal back plain

# --- names of constraints that look like others'
on postgres -c 'DROP DATABASE a' -c 'CREATE DATABASE a'
looks() { # THE CHECK'S END
    echo "CREATE TABLE t (a int); CREATE DOMAIN d AS int; ALTER TABLE t ADD CONSTRAINT \"k ON DOMAIN x\" CHECK (a > 0)$1;
ALTER DOMAIN d ADD CONSTRAINT \"k ON DOMAIN y\" CHECK (VALUE > 0)$1;"
}
looks ' NOT VALID' >"$T/not_valid.sql"
looks '' >"$T/valid.sql"
echo 'CREATE TABLE t (a int); CREATE DOMAIN d AS int;' >"$T/none.sql"
for to in not_valid valid none; do
    pgtide schema diff --sql "$(cluster_url one a)" "$T/$to.sql" >"$T/up.sql" || [ $? -eq 3 ]
    check "$to: its SQL runs" on a -f "$T/up.sql" >/dev/null
    expect_exit 0 pgtide schema diff "$(cluster_url one a)" "$T/$to.sql"
done

# --- refused
expect_exit 2 pgtide schema diff "$T/old"
expect_exit 2 pgtide schema diff "$T/old" "$T/nowhere.sql"
expect_exit 2 pgtide schema diff --rename public.users "$T/old" "$T/new"
expect_exit 2 pgtide schema diff --rename public.nobody=people "$T/old" "$T/new"
check 'with words' contains "$(cat "$T/err")" 'no column public.nobody'
expect_exit 2 pgtide schema diff --schema tenant "$T/base.json" "$T/base.json"
check 'dumps of another kind' contains "$(cat "$T/err")" 'made with other options'
echo 'CREATE TABLE x (id int); CREATE TABLE y (id nothing);' >"$T/bad.sql"
expect_exit 1 pgtide schema diff "$T/old" "$T/bad.sql"
check 'a file that does not run' contains "$(cat "$T/err")" 'bad.sql:1'
check 'no scratch database is left' same "$(on postgres -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide%'")" 0
