#!/usr/bin/env bash
# A server older than pgtide is written for is refused in words, by the commands and by an agent, and nothing is changed.
# Run by tests/servers, on PostgreSQL 12.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
test_begin old_server
cluster_start one
project single
database one app

refused() { # WHAT CMD…
    local what=$1
    shift
    expect_exit 5 "$@" --json
    check "$what is refused" contains "$(cat "$T/out")" '"code":"SERVER_VERSION"'
    check "$what: by its version" contains "$(cat "$T/out")" 'the server is PostgreSQL 12'
    check "$what: and where" contains "$(cat "$T/out")" "$T/one/socket"
    check "$what: and what to do" contains "$(cat "$T/out")" 'pgtide needs PostgreSQL 13 or later'
}

refused upgrade pgtide upgrade
refused current pgtide current
refused stamp pgtide stamp 001_first
refused why pgtide why
refused ensure-version pgtide ensure-version
check 'nothing is made' same "$(sql "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('public', 'pgtide')")" 0
