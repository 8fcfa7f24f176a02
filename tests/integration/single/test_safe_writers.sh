#!/usr/bin/env bash
# What `pgtide revision --safe` writes, run beside an application that never stops writing: none of its statements fails,
# and in the end every row holds what was written last, whichever name or type it was written by.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin safe_writers
cluster_start one

ROWS=5000
# `log` has what each transaction of the application wrote, in the order in which it held the row.
base="CREATE TABLE messages (id serial PRIMARY KEY, author text NOT NULL, score int DEFAULT 0 NOT NULL);
CREATE INDEX messages_author ON messages (author);
CREATE TABLE log (nr serial, id bigint, author text, score bigint);
INSERT INTO messages (author, score) SELECT i, i FROM generate_series(1, $ROWS) i;
INSERT INTO log (id, author, score) SELECT id, author, score FROM messages;"

begin() { # DATABASE UPGRADE DOWNGRADE: 002_change as --safe writes it
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
    revision 001_base '' "$base" 'DROP TABLE messages, log;'
    revision 002_change 001_base "$2" "$3"
    database one "$1"
    pgtide upgrade 001_base >/dev/null
    expect_exit 0 pgtide revision --safe 002_change --write
    check 'there are two phases' test -f "$PROJECT/versions/003_contract_002_change.sql"
}

# An application: TABLE and COLUMN are what it calls the table and its author.
application() { # NAME TABLE COLUMN
    cat >"$T/$1.sql" <<SQL
\set k random(1, $ROWS)
BEGIN;
UPDATE $2 SET $3 = $3 || '$1', score = score + 1 WHERE id = :k RETURNING $3 AS author, score \gset
INSERT INTO log (id, author, score) VALUES (:k, ':author', :score);
COMMIT;
BEGIN;
INSERT INTO $2 ($3) VALUES ('$1 :k') RETURNING id AS fresh, $3 AS author, score \gset
INSERT INTO log (id, author, score) VALUES (:fresh, ':author', :score);
COMMIT;
UPDATE $2 SET score = score WHERE id = :fresh;
SQL
    : >"$T/$1.err"
    PGAPPNAME=app_$1 PGHOST=$T/one/socket PGUSER=postgres "$PG_BIN/pgbench" -n -c 2 -T 3600 -f "$T/$1.sql" "$DATABASE" >/dev/null 2>"$T/$1.err" &
    eval "PID_$1=$!"
    PIDS+=("$!")
    writes "$1"
}
count() { sql 'SELECT count(*) FROM log'; }
has_written() { [ "$(sql "SELECT count(*) FROM log WHERE author LIKE '%$1%'")" -ge "$2" ]; }
writes() { # waits until the application has written more
    wait_for 60 "$1 to write" has_written "$1" $(($(sql "SELECT count(*) FROM log WHERE author LIKE '%$1%'") + 50))
    check "$1 had no errors: $(cat "$T/$1.err")" test ! -s "$T/$1.err"
}
stop() { # NAME
    local pid="PID_$1"
    check "$1 had no errors: $(cat "$T/$1.err")" kill -0 "${!pid}"
    kill "${!pid}"
    wait "${!pid}" 2>/dev/null || true
    wait_for 10 'its sessions to end' has_left "$1"
}
has_left() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'app_$1'")" = 0 ]; }

# With nobody writing: rows of the table against the last entry of the log.
wrong() { # TABLE COLUMN
    sql "SELECT count(*) FROM (SELECT DISTINCT ON (id) * FROM log ORDER BY id, nr DESC) l
        FULL JOIN $1 t USING (id) WHERE l.author IS DISTINCT FROM t.$2::text OR l.score IS DISTINCT FROM t.score"
}

# --- a key's type
begin type 'ALTER TABLE messages ALTER id TYPE bigint, ALTER score TYPE bigint;' \
    'ALTER TABLE messages ALTER score TYPE int, ALTER id TYPE int;'
application app messages author
# Killed again and again, wherever it is by then; each next run goes on behind what has ended.
begun() { [ "$(sql "SELECT coalesce(max(unit), 0) FROM pgtide.progress WHERE started IS NOT NULL")" -ge "$1" ] || ! kill -0 "$RUN"; }
killed=0
for unit in 1 2 4 6 9 12 15; do
    "$BIN/pgtide" upgrade 002_change >"$T/run" 2>&1 &
    RUN=$!
    wait_for 60 "unit $unit to begin" begun "$unit"
    ! kill -9 "$RUN" 2>/dev/null || killed=$((killed + 1))
    wait "$RUN" 2>/dev/null || true
done
check "it was killed on its way, and not behind it ($killed)" test "$killed" -ge 4
expect_exit 0 pgtide upgrade 002_change
writes app
expect_exit 0 pgtide upgrade
writes app
check 'the types are new' same "$(sql 'SELECT pg_typeof(id) || pg_typeof(score)::text FROM messages LIMIT 1')" bigintbigint
expect_exit 0 pgtide downgrade 001_base
writes app
stop app
check 'the types are old' same "$(sql 'SELECT pg_typeof(id) || pg_typeof(score)::text FROM messages LIMIT 1')" integerinteger
check 'types: nothing is lost' same "$(wrong messages author)" 0

# --- a column's name
begin columns 'ALTER TABLE messages RENAME author TO writer;' 'ALTER TABLE messages RENAME writer TO author;'
application old messages author
expect_exit 0 pgtide upgrade 002_change
application new messages writer
writes old
writes new
stop old
check 'both names hold the same' same "$(sql 'SELECT count(*) FROM messages WHERE author IS DISTINCT FROM writer')" 0
expect_exit 0 pgtide upgrade
writes new
expect_exit 0 pgtide downgrade 002_change
application old messages author
writes new
stop new
check 'and again' same "$(sql 'SELECT count(*) FROM messages WHERE author IS DISTINCT FROM writer')" 0
expect_exit 0 pgtide downgrade 001_base
writes old
stop old
check 'columns: nothing is lost' same "$(wrong messages author)" 0

# --- a table's name
begin tables 'ALTER TABLE messages RENAME TO posts;' 'ALTER TABLE posts RENAME TO messages;'
application old messages author
expect_exit 0 pgtide upgrade 002_change
application new posts author
writes old
stop old
expect_exit 0 pgtide upgrade
writes new
expect_exit 0 pgtide downgrade 002_change
application old messages author
stop new
expect_exit 0 pgtide downgrade 001_base
writes old
stop old
check 'tables: nothing is lost' same "$(wrong messages author)" 0
