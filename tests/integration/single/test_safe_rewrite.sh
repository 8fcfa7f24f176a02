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

# Of the statements that ran since line $1 of the log: any that worked on a table under its lock. VALIDATE reads under a
# lock that lets others by, and CONCURRENTLY builds so.
heavy() {
    tail -n "+$1" "$T/one/log" | awk '
        /LOG:  (statement|execute [^:]*): / { current = $0; next }
        /^\t/ { current = current " " $0; next }
        /DEBUG:  rewriting table/ { print current " -> " $0 }
        /DEBUG:  (verifying table|validating foreign key)/ && current !~ /VALIDATE CONSTRAINT/ { print current " -> " $0 }
        /DEBUG:  building index/ && current !~ /CONCURRENTLY|CREATE TABLE/ { print current " -> " $0 }' | grep -v pg_toast || true
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
