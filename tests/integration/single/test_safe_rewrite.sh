#!/usr/bin/env bash
# `pgtide revision --safe`: each form ends with the schema that the plain statement makes, back and forth, and on its way
# reads, writes or indexes no table under a lock that others wait for: the server's own log says so.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin safe_rewrite
cluster_start one log_min_messages=debug1 log_statement=all "log_line_prefix=%p "
mkdir "$T/p"

# Two tables with rows, and what can hang on them.
base='CREATE TABLE channels (id serial PRIMARY KEY, name text);
CREATE TABLE messages (id serial PRIMARY KEY, channel_id int, body text, author text, score int DEFAULT 0 NOT NULL,
    "Odd ""name" text, CONSTRAINT score_positive CHECK (score >= 0));
CREATE INDEX messages_author ON messages (lower(author), score);
CREATE TABLE votes (message int REFERENCES messages (id) ON DELETE CASCADE, weight numeric(6,2));
COMMENT ON COLUMN messages.id IS '"'it''s a key'"';
CREATE TABLE wide (code varchar(20) NOT NULL UNIQUE, at bigint GENERATED ALWAYS AS IDENTITY, note text);
INSERT INTO channels (name) SELECT i::text FROM generate_series(1, 10) i;
INSERT INTO messages (channel_id, body, author, score) SELECT i % 10 + 1, i::text, i::text, i FROM generate_series(1, 3000) i;
INSERT INTO votes SELECT i, i FROM generate_series(1, 3000) i;
INSERT INTO wide (code) SELECT i::text FROM generate_series(1, 3000) i;'

project_with() { # UPGRADE DOWNGRADE: 001_base and 002_change
    PROJECT=$T/p
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    rm -rf "$PROJECT/versions"
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
    revision 001_base '' "$base" 'DROP TABLE votes, messages, channels, wide;'
    revision 002_change 001_base "$1" "$2"
}

# The schema without the order of columns, which a new column changes.
schema() {
    PGHOST="$T/one/socket" PGUSER=postgres "$PG_BIN/pg_dump" -s -n public -T alembic_version "$1" |
        grep -v -e '^--' -e '^$' -e '^SET ' -e '^SELECT pg_catalog.set_config' -e '^\\' | sed 's/,$//' | sort
}

# Of the statements that ran since line $1 of the log, of whichever session: any that worked on a table under its lock. VALIDATE reads under a
# lock that lets others by, and CONCURRENTLY builds so.
heavy() {
    tail -n "+$1" "$T/one/log" | awk '
        /LOG:  (statement|execute [^:]*): / { session = $1; current[session] = $0; next }
        /^\t/ { current[session] = current[session] " " $0; next }
        /DEBUG:  rewriting table/ { print current[$1] " -> " $0 }
        /DEBUG:  (verifying table|validating foreign key)/ && current[$1] !~ /VALIDATE CONSTRAINT/ { print current[$1] " -> " $0 }
        /DEBUG:  building index/ && current[$1] !~ /CONCURRENTLY|CREATE TABLE/ { print current[$1] " -> " $0 }' | grep -v pg_toast || true
}
log_end() { echo $(($(wc -l <"$T/one/log") + 1)); }

number=0
form() { # NAME UPGRADE DOWNGRADE [light] [sed script: what is meant to differ] [a function: checks before the way back]
    local name=$1 up=$2 down=$3 light=${4:-} differs=${5:-;} begin plain
    number=$((number + 1))
    project_with "$up" "$down"
    database one "plain_$number"
    sql "$base" >/dev/null
    begin=$(log_end)
    sql "$up" >/dev/null
    [ -n "$light" ] || check "$name: the plain form is heavy" test -n "$(heavy "$begin")"
    plain=$(schema "plain_$number" | sed "$differs")

    database one "safe_$number"
    pgtide upgrade 001_base >/dev/null
    schema "safe_$number" | sed "$differs" >"$T/before"
    expect_exit 0 pgtide revision --safe 002_change --write
    check "$name: it says what it wrote" contains "$(cat "$T/err")" 'written anew'
    begin=$(log_end)
    expect_exit 0 pgtide upgrade
    check "$name: nothing is read, written or indexed under a lock" same "$(heavy "$begin")" ''
    check "$name: the same schema" same "$(schema "safe_$number" | sed "$differs")" "$plain"
    [ -z "${6:-}" ] || "$6"
    begin=$(log_end)
    expect_exit 0 pgtide downgrade 001_base
    check "$name: nor on the way back" same "$(heavy "$begin")" ''
    check "$name: and back" same "$(schema "safe_$number" | sed "$differs")" "$(cat "$T/before")"
}

form 'index' 'CREATE INDEX ON messages (channel_id, lower(body));' 'DROP INDEX messages_channel_id_lower_idx;'
form 'NOT NULL' 'ALTER TABLE messages ALTER body SET NOT NULL;' 'ALTER TABLE messages ALTER body DROP NOT NULL;'
form 'odd names' 'UPDATE messages SET "Odd ""name" = '"'x'"';
ALTER TABLE public.messages ALTER "Odd ""name" SET NOT NULL, ADD UNIQUE (id, "Odd ""name");' \
    'ALTER TABLE messages DROP CONSTRAINT "messages_id_Odd ""name_key", ALTER "Odd ""name" DROP NOT NULL;'
form 'CHECK' 'ALTER TABLE messages ADD CHECK (body <> author || score);' 'ALTER TABLE messages DROP CONSTRAINT messages_check;'
form 'FOREIGN KEY' 'ALTER TABLE messages ADD FOREIGN KEY (channel_id) REFERENCES channels ON DELETE SET NULL DEFERRABLE;' \
    'ALTER TABLE messages DROP CONSTRAINT messages_channel_id_fkey;'
form 'UNIQUE' 'ALTER TABLE messages ADD CONSTRAINT u UNIQUE (body) INCLUDE (score);' 'ALTER TABLE messages DROP CONSTRAINT u;'
form 'PRIMARY KEY' 'ALTER TABLE votes ADD PRIMARY KEY (message, weight);' \
    'ALTER TABLE votes DROP CONSTRAINT votes_pkey, ALTER message DROP NOT NULL, ALTER weight DROP NOT NULL;'
tokens() { check 'every row has its own' same "$(sql 'SELECT count(*) = count(DISTINCT token) FROM messages')" t; }
form 'a volatile default' 'ALTER TABLE messages ADD COLUMN token uuid DEFAULT gen_random_uuid() NOT NULL UNIQUE;' \
    'ALTER TABLE messages DROP COLUMN token;' '' '' tokens
numbered() { # and what is inserted goes on with it
    check 'rows are numbered' same "$(sql "SELECT count(DISTINCT n) || '/' || max(n) FROM messages")" 3000/3000
    sql "INSERT INTO messages (body) VALUES ('new')"
    check 'and new ones go on' same "$(sql "SELECT count(DISTINCT n) || '/' || max(n) FROM messages")" 3001/3001
}
form 'serial' 'ALTER TABLE messages ADD n serial CHECK (n > 0);' 'ALTER TABLE messages DROP COLUMN n;' '' '' numbered
form 'IDENTITY' 'ALTER TABLE messages ADD n bigint GENERATED ALWAYS AS IDENTITY;' 'ALTER TABLE messages DROP COLUMN n;' \
    '' '' numbered
form 'a checked column' 'ALTER TABLE messages ADD n int DEFAULT 1 NOT NULL CONSTRAINT n1 CHECK (n > 0) REFERENCES channels,
    ADD m int;' 'ALTER TABLE messages DROP COLUMN m, DROP n;'

# In two phases: both are run here, one after the other.
form 'RENAME COLUMN' 'ALTER TABLE messages RENAME author TO writer;' 'ALTER TABLE messages RENAME writer TO author;' light
form 'RENAME of a key' 'ALTER TABLE messages RENAME id TO "Message id";' 'ALTER TABLE messages RENAME "Message id" TO id;' light
form 'RENAME TABLE' 'ALTER TABLE messages RENAME TO posts;' 'ALTER TABLE posts RENAME TO messages;' light
form 'DROP' 'ALTER TABLE messages DROP COLUMN channel_id; DROP TABLE channels;' \
    'CREATE TABLE channels (id serial PRIMARY KEY, name text); ALTER TABLE messages ADD COLUMN channel_id int;' light
key() {
    check 'its rows' same "$(sql "SELECT count(*) || ' ' || sum(id) || ' ' || pg_typeof(max(id)) FROM messages")" '3000 4501500 bigint'
    sql "INSERT INTO messages (body) VALUES ('new')"
    check 'its sequence goes on' same "$(sql 'SELECT max(id) FROM messages')" 3001
}
form 'TYPE of a key' 'ALTER TABLE messages ALTER id TYPE bigint;' 'ALTER TABLE messages ALTER id TYPE integer;' \
    '' '/^    AS integer$/d' key
using() { check 'what USING says' same "$(sql 'SELECT sum(body) FROM messages')" 9003000; }
form 'TYPE with USING' 'ALTER TABLE messages ALTER COLUMN body TYPE int USING messages.body::int + messages.id, ALTER score TYPE bigint;' \
    'ALTER TABLE messages ALTER score TYPE int, ALTER body TYPE text USING (body - id)::text;' '' '' using
form 'TYPE of IDENTITY' 'ALTER TABLE wide ALTER at TYPE int, ALTER code TYPE varchar(10);' \
    'ALTER TABLE wide ALTER code TYPE varchar(20), ALTER at TYPE bigint;'

# --- roles: the application is neither the one that migrates nor, always, the owner of its tables
cluster_psql one postgres -c 'CREATE ROLE keeper; CREATE ROLE app'
project_with_roles() { # UPGRADE DOWNGRADE
    number=$((number + 1))
    project_with "$1" "$2"
    database one "roles_$number"
    pgtide upgrade 001_base >/dev/null
    sql "ALTER TABLE messages OWNER TO keeper; GRANT SELECT, INSERT, UPDATE ON messages TO app;
GRANT USAGE ON SEQUENCE messages_id_seq TO app;
GRANT CREATE ON SCHEMA public TO keeper;
CREATE FUNCTION halt() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''halted''; END';
CREATE TRIGGER halt BEFORE UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION halt()"
    expect_exit 0 pgtide revision --safe 002_change --write
}
for kind in serial 'bigint GENERATED BY DEFAULT AS IDENTITY'; do
    project_with_roles "ALTER TABLE messages ADD n $kind;" 'ALTER TABLE messages DROP n;'
    status=0
    pgtide upgrade >"$T/out" 2>"$T/err" || status=$?
    check "$kind: it stops in its backfill" contains "$(cat "$T/err")" 'halted'
    check "$kind: and that is an error" test "$status" -ne 0
    sql "SET ROLE app; INSERT INTO messages (body) VALUES ('meanwhile')"
    check "$kind: the application inserts meanwhile" same \
        "$(sql "SELECT n > 0 FROM messages WHERE body = 'meanwhile'")" t
    sql 'DROP TRIGGER halt ON messages'
    expect_exit 0 pgtide upgrade
    check "$kind: nobody has rights on what is left of sequences" same \
        "$(sql "SELECT count(*) FROM pg_class, aclexplode(relacl) WHERE relkind = 'S' AND grantee = 0")" 0
    check "$kind: they belong to the table's owner" same \
        "$(sql "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = pg_get_serial_sequence('messages', 'n')::regclass")" keeper
    expect_exit 0 pgtide downgrade 001_base
done

project_with_roles 'ALTER TABLE messages RENAME TO posts;' 'ALTER TABLE posts RENAME TO messages;'
sql 'DROP TRIGGER halt ON messages'
for target in 002_change head 002_change; do
    case $(rows) in *contract*) expect_exit 0 pgtide downgrade "$target" ;; *) expect_exit 0 pgtide upgrade "$target" ;; esac
    [ "$target" != head ] || continue
    for role in keeper app; do
        check "$role reads by the old name" same "$(sql "SET ROLE $role; SELECT count(*) > 0 FROM messages")" t
        sql "SET ROLE $role; INSERT INTO messages (id, body) VALUES (DEFAULT, '$role'); UPDATE messages SET score = 1 WHERE body = '$role'"
    done
done
check 'what they wrote is in the table' same "$(sql "SELECT count(*) FROM posts WHERE body IN ('app', 'keeper') AND score = 1")" 4
check 'the view has no more rights than the table' same \
    "$(sql "SELECT count(DISTINCT (relowner, relacl::text)) FROM pg_class WHERE relname IN ('messages', 'posts')")" 1

# --- values that are equal and yet differ reach the other name, from either side
project_with 'ALTER TABLE odd RENAME amount TO sum;
ALTER TABLE odd RENAME places TO spots;
ALTER TABLE odd RENAME area TO box;
ALTER TABLE odd RENAME word TO "Word";' 'ALTER TABLE odd RENAME "Word" TO word;
ALTER TABLE odd RENAME box TO area;
ALTER TABLE odd RENAME spots TO places;
ALTER TABLE odd RENAME sum TO amount;'
database one odd
pgtide upgrade 001_base >/dev/null
sql "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE odd (id int PRIMARY KEY, amount numeric, places json[], area box, word text COLLATE loose);
INSERT INTO odd VALUES (1, 1.5, ARRAY['{\"a\": 1}']::json[], '(1,1),(0,0)', 'word')"
expect_exit 0 pgtide revision --safe 002_change --write
expect_exit 0 pgtide upgrade 002_change
old='amount, places, area, word' new='sum, spots, box, "Word"'
values=("1.50, ARRAY['{\"a\":  1}']::json[], '(2,1),(1.5,-1)', 'Word'" "1.500, ARRAY['{\"a\":1}']::json[], '(3,1),(2.5,-1)', 'WORD'")
sql "UPDATE odd SET ($new) = ROW(${values[0]})"
check 'from the new names to the old ones' same "$(sql "SELECT $old FROM odd")" "$(sql "SELECT $new FROM odd")"
check 'exactly' same "$(sql 'SELECT amount, word FROM odd')" '1.50|Word'
sql "UPDATE odd SET ($old) = ROW(${values[1]})"
check 'from the old names to the new ones' same "$(sql "SELECT $new FROM odd")" "$(sql "SELECT $old FROM odd")"
check 'just as exactly' same "$(sql 'SELECT sum, "Word" FROM odd')" '1.500|WORD'
