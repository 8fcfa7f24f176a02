#!/usr/bin/env bash
# Two clusters of four tenants: eight revisions go out in waves with backups; a ninth fails on one tenant of wave 2,
# whose wave comes back. What pgtide says of it is compared with the shards.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin story
for cluster in east west; do
    fleet_cluster "$cluster" "$cluster" 4 $([ "$cluster" = east ] && echo 1 || echo 5) &
    STARTING+=($!)
    CLUSTERS+=("$cluster")
done
fleet_keys east west
for pid in "${STARTING[@]}"; do wait "$pid"; done
fleet_coordinator
fleet_agent east east eu
fleet_agent west west us
wait_for 30 'all shards reported' fleet_has_shards 8

tenants() { for cluster in east west; do fleet_databases "$cluster" | sed "s/^/$cluster /"; done; }
wave_of() { alice rollout status "$1" --shards --json | json "[s for s in d['result']['shards'] if s['name'] == '$2'][0]['wave']"; }

# --- eight revisions
bundle forge-1 "$ROOT/migrations/example/pgtide.yaml"
FLEET_BACKUP=dump fleet_rollout_file "$T/first.yaml" first "$T/forge-1.bundle"
expect_exit 0 alice rollout plan "$T/first.yaml" -o "$T/first.plan" --json
check 'planned for all' same "$(json 'd["result"]["shards"]' <"$T/out")" 8
expect_error 5 APPROVAL "the author can't approve" alice rollout approve "$T/first.plan"
expect_error 5 APPROVAL '0 of 1' alice rollout start "$T/first.plan"
expect_exit 0 bob rollout approve "$T/first.plan"
expect_exit 0 alice rollout start "$T/first.plan"
expect_exit 0 alice rollout watch first --json
check 'each line of it is a document of its own' same "$(tail -n 1 "$T/out" | json 'd["result"]["state"]')" succeeded

while read -r cluster database; do
    check "$cluster/$database is at the head" same "$(rows "$cluster" "$database")" 008_add_user_title
    check "$cluster/$database has eight steps, none twice" same "$(done_once "$cluster" "$database")" 8/8
    check "$cluster/$database kept its rows" same \
        "$(sql "$cluster" "$database" 'SELECT (SELECT count(*) FROM billing_accounts) || $$/$$ || (SELECT count(*) FROM billing_events)')" 40/400
done < <(tenants)
check 'waves of 1, 2 and 5' same "$(alice rollout status first --json | json '[w["shards"] for w in d["result"]["waves"]]')" '[1, 2, 5]'
check 'the wave that came later began later' same "$(sql east tenant_0001 "SELECT max(finished) FROM pgtide.history" >"$T/canary"
    while read -r cluster database; do
        [ "$cluster/$database" = east/tenant_0001 ] ||
            sql "$cluster" "$database" "SELECT 'early' FROM pgtide.history HAVING min(started) < '$(cat "$T/canary")'"
    done < <(tenants))" ''

backups=0
while read -r manifest; do
    wanted=$(json 'd["sha256"].split(":")[-1]' <"$manifest")
    check 'a dump is what its manifest says' same "$(sha256sum "${manifest%.manifest}.dump" | cut -d' ' -f1)" "$wanted"
    backups=$((backups + 1))
done < <(find "$T"/agent-*/state/backups -name '*.manifest')
check 'a backup of each' same "$backups" 8
sql east postgres 'CREATE DATABASE restored'
dump=$(find "$T/agent-east/state/backups" -name '*.dump' | head -n 1)
PGHOST="$T/east/socket" PGUSER=postgres "$PG_BIN/pg_restore" --no-owner -1 -d restored "$dump"
check 'a backup holds what was there before' same \
    "$(sql east restored "SELECT (SELECT count(*) FROM billing_accounts) || '/' || (to_regclass('users') IS NULL)")" 40/true

# --- a ninth that one tenant of wave 2 can't take
bundle forge-2 "$ROOT/migrations/example-failing/pgtide.yaml"
FLEET_BACKUP=none fleet_rollout_file "$T/second.yaml" second "$T/forge-2.bundle"
plan second
trouble=$(alice rollout status second --shards --json |
    json '[s["name"] for s in d["result"]["shards"] if s["wave"] == 2][-1]')
while read -r cluster database; do
    cluster_psql "$cluster" "$database" -v duplicates=$([ "$cluster/$database" = "$trouble" ] && echo on || echo off) \
        -f "$ROOT/deploy/demo-rows.sql" >/dev/null
done < <(tenants)
bob rollout approve "$T/second.plan" >/dev/null
alice rollout start "$T/second.plan" >/dev/null
expect_exit 1 alice rollout watch second
check 'rolled back' same "$(state second)" rolled-back
failed=0
while read -r cluster database; do
    name=$cluster/$database
    last="$(rows "$cluster" "$database") $(sql "$cluster" "$database" "SELECT coalesce(string_agg(direction || ':' || outcome, ' ' ORDER BY seq), 'untouched')
        FROM pgtide.history WHERE revision = '009_unique_display_name'")"
    case $(wave_of second "$name") in
    1) check "$name, the canary, keeps it" same "$last" '009_unique_display_name upgrade:succeeded' ;;
    2)
        if [ "$name" = "$trouble" ]; then
            check "$name failed" same "$last" '008_add_user_title upgrade:failed'
            check 'and why stands in its history' same \
                "$(sql "$cluster" "$database" "SELECT sqlstate FROM pgtide.history WHERE outcome = 'failed'")" 23505
            failed=1
        elif [ "$last" != '008_add_user_title untouched' ]; then # it had not begun when the other failed
            check "$name came back" same "$last" '008_add_user_title upgrade:succeeded downgrade:succeeded'
        fi
        ;;
    3) check "$name was never touched" same "$last" '008_add_user_title untouched' ;;
    esac
done < <(tenants)
check 'the failure was met' same "$failed" 1

# --- every view is one JSON document
for view in 'fleet status' 'fleet hosts' 'fleet clusters' 'fleet shards' 'fleet agents' 'rollout list' 'rollout status second'; do
    # shellcheck disable=SC2086
    expect_exit 0 alice $view --json
    check "$view" same "$(json 'd["pgtide"]' <"$T/out") $(json 'd["command"]' <"$T/out")" "1 ${view% second}"
done
expect_error 2 NOT_FOUND no-such alice rollout status no-such
