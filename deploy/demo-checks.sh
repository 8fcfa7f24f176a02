# Sourced by deploy/demo: what the demo claims, checked against the shards themselves and never against pgtide.

# Every tenant as "cluster database".
demo_tenants() {
    local host
    for host in "${hosts[@]}"; do fleet_databases "$host" | sed "s/^/$host /"; done
}

demo_rows_of() { cluster_psql "$1" "$2" -c "SELECT string_agg(version_num, ',' ORDER BY 1) FROM alembic_version"; }

# demo_check_rows REVISION: every tenant stands exactly there.
demo_check_rows() {
    local host database rows count=0
    while read -r host database; do
        rows=$(demo_rows_of "$host" "$database")
        [ "$rows" = "$1" ] || failed "$host/$database stands at '$rows', not at $1"
        count=$((count + 1))
    done < <(demo_tenants)
    [ "$count" -eq "$shards" ] || failed "$count tenants checked instead of $shards"
    ok "all $count shards stand at $1"
}

# demo_check_history N: each tenant's history holds N succeeded upgrades, each operation once.
demo_check_history() {
    local host database found
    while read -r host database; do
        found=$(cluster_psql "$host" "$database" -c "SELECT count(*) || '/' || count(DISTINCT operation)
            FROM pgtide.history WHERE direction = 'upgrade' AND outcome = 'succeeded'")
        [ "$found" = "$1/$1" ] || failed "$host/$database has $found upgrades in its history, not $1/$1"
    done < <(demo_tenants)
    ok "each shard's history holds exactly $1 upgrades, none twice"
}

# Every tenant has a dump whose SHA-256 is its manifest's, and which restores the rows that were there before.
demo_check_backups() {
    local host manifest dump count=0 wanted found
    for host in "${hosts[@]}"; do
        while read -r manifest; do
            dump=${manifest%.manifest}.dump
            wanted=$(/usr/bin/python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["sha256"].split(":")[-1])' "$manifest")
            found=$(sha256sum "$dump" | cut -d' ' -f1)
            [ "$wanted" = "$found" ] || failed "$dump is not what its manifest says"
            "$PG_BIN/pg_restore" -f /dev/null "$dump" || failed "$dump can't be read back"
            count=$((count + 1))
        done < <(find "$T/agent-$host/state/backups" -name '*.manifest')
    done
    [ "$count" -eq "$shards" ] || failed "$count backups instead of $shards"
    ok "$count backups, one a shard, each with its manifest's SHA-256 and readable to the end"
    host=${hosts[0]}
    dump=$(find "$T/agent-$host/state/backups" -name '*.dump' | head -n 1)
    cluster_psql "$host" postgres -c "CREATE DATABASE restored"
    PGHOST="$T/$host/socket" PGUSER=postgres "$PG_BIN/pg_restore" --no-owner -1 -d restored "$dump"
    found=$(cluster_psql "$host" restored -c "SELECT (SELECT count(*) FROM billing_accounts) || '/' ||
        (SELECT count(*) FROM billing_events) || '/' || (to_regclass('users') IS NULL)")
    [ "$found" = "40/400/true" ] || failed "a restored backup holds $found, not 40/400/true"
    cluster_psql "$host" postgres -c "DROP DATABASE restored"
    ok "a backup restored into a new database holds the tenant's rows from before the rollout"
}

# Rows for every tenant; two people of one tenant of wave 2 share a name. That tenant is the last of its wave, so
# that others of the wave have changed before.
demo_fill_rows() {
    local host database duplicates
    "$BIN/pgtide" --version >/dev/null
    demo_trouble=$(plan_wave_shards "$T/second.json" 2 | tail -n 1)
    while read -r host database; do
        duplicates=off
        [ "$host/$database" != "$demo_trouble" ] || duplicates=on
        cluster_psql "$host" "$database" -v duplicates="$duplicates" -f "$ROOT/deploy/demo-rows.sql"
    done < <(demo_tenants)
    ok "every tenant has people and messages; two people of $demo_trouble share a name"
}

# The shards of one wave as the coordinator's status lists them.
plan_wave_shards() {
    alice rollout status second-rollout --shards --json |
        json '"\n".join(s["name"] for s in d["result"]["shards"] if s["wave"] == '"$2"')'
}

demo_check_second() {
    local host database rows wanted changed=0 untouched=0 name
    local -A wave=()
    for name in $(plan_wave_shards - 1); do wave[$name]=1; done
    for name in $(plan_wave_shards - 2); do wave[$name]=2; done
    while read -r host database; do
        name=$host/$database
        rows=$(demo_rows_of "$host" "$database")
        found=$(cluster_psql "$host" "$database" -c "SELECT coalesce(string_agg(direction || ':' || outcome, ',' ORDER BY seq), '')
            FROM pgtide.history WHERE revision = '009_unique_display_name'")
        case ${wave[$name]:-3} in
        1) wanted='009_unique_display_name upgrade:succeeded' ;;
        2) wanted='008_add_user_title' ;;
        3) wanted='008_add_user_title ' ;;
        esac
        case ${wave[$name]:-3}:$found in
        2:upgrade:succeeded,downgrade:succeeded | 2:upgrade:failed | 2:) changed=$((changed + 1)) found="$rows" ;;
        *) found="$rows $found" ;;
        esac
        [ "$found" = "$wanted" ] || failed "$name (wave ${wave[$name]:-3}): found '$found', expected '$wanted'"
        [ "${wave[$name]:-3}" -ne 3 ] || untouched=$((untouched + 1))
    done < <(demo_tenants)
    ok "the canary stays at 009_unique_display_name"
    ok "wave 2 is back at 008_add_user_title: $changed shards, each taken back only if it had changed"
    ok "the $untouched shards of wave 3 were never touched"
    [ "$(cluster_psql "${demo_trouble%%/*}" "${demo_trouble#*/}" -c "SELECT sqlstate FROM pgtide.history
        WHERE outcome = 'failed'")" = 23505 ] || failed "$demo_trouble has no failure 23505 in its history"
    ok "the failure stands in the history of $demo_trouble: SQLSTATE 23505"
}

# --keep: the processes are left to themselves.
fleet_leave_up() {
    trap - EXIT
    cat <<TEXT

Left running in $T. Look around:
  export PGTIDE_COORDINATOR='$FLEET_ENDPOINT' PGTIDE_TRUST='$T/trust' PGTIDE_KEY='$T/alice/alice.key'
  $BIN/pgtide fleet shards
  $BIN/pgtide rollout list
  $PG_BIN/psql -h '$T/${hosts[0]}/socket' -U postgres tenant_0001
Stop it and remove it all:
  kill ${PIDS[*]}
  cd / && for c in ${hosts[*]}; do $([ "$(id -u)" -ne 0 ] || echo "runuser -u $PG_USER -- ")$PG_BIN/pg_ctl -D '$T'/\$c/data -m immediate stop; done
  rm -rf '$T'
TEXT
}
