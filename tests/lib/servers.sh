# Sourced by tests/run and tests/servers, after runner.sh: PostgreSQL servers of versions that Debian 12 does not have.
# They come as packages of npm, pinned in servers/package.json; their clients (psql, pg_dump ...) are this host's.
#
#   $SERVERS                      the directory they are in, to be set before: user postgres must be able to enter it
#   servers_known                 their versions, one a line
#   servers_lack                  says what must be installed before they can be fetched; fails if nothing must
#   servers_fetch VERSION         into $SERVERS/VERSION, unless it is there
#   servers_begin VERSION…        fetches them in the background, for this run alone
#   servers_ready                 waits for that; fails where npm could not, and says what it said
#   servers_scripts VERSION       which integration scripts it is there for, one a line
#   servers_test VERSION SCRIPT   starts tests/integration/SCRIPT.sh on that version, or says why it is left out

SERVERS_LIST=$PWD/tests/lib/servers
CLIENTS=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
left_out=0
fetch_limit_s=300 # for about 30 MB

servers_known() { sed -n 's/^ *"postgres-\([0-9]*\)".*/\1/p' "$SERVERS_LIST/package.json"; }

servers_lack() {
    if ! command -v npm >/dev/null || ! command -v node >/dev/null; then
        echo "npm is not installed (Debian's packages npm and nodejs)"
    elif [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
        echo "the servers that npm has here are for Linux on x86-64"
    elif [ -z "$CLIENTS" ]; then
        echo "there are no clients of PostgreSQL (Debian's package postgresql-client-15)"
    else
        return 1
    fi
}

clients_major() { "$CLIENTS/pg_dump" --version | sed 's/.*) \([0-9]*\).*/\1/'; }

servers_scripts() {
    local oldest=13 script
    if [ "$1" -lt "$oldest" ]; then
        echo single/old_server
        return
    fi
    [ "$1" -le "$(clients_major)" ] || echo fleet/old_client
    for script in tests/integration/*/test_*.sh; do
        script=${script#tests/integration/}
        echo "${script%.sh}"
    done
}

# A package.json and its lock that know that version alone: npm fetches all that they name.
servers_pick() { # VERSION DIR
    /usr/bin/python3 - "$SERVERS_LIST" "$1" "$2" <<'PYTHON'
import json, sys
source, name, target = sys.argv[1], "postgres-" + sys.argv[2], sys.argv[3]

def pick(dependencies):
    return {name: dependencies[name]}

with open(source + "/package.json") as file:
    package = json.load(file)
with open(source + "/package-lock.json") as file:
    lock = json.load(file)
package["dependencies"] = pick(package["dependencies"])
root = lock["packages"][""]
root["dependencies"] = pick(root["dependencies"])
lock["packages"] = {"": root, "node_modules/" + name: lock["packages"]["node_modules/" + name]}
for file, content in (("package.json", package), ("package-lock.json", lock)):
    with open(target + "/" + file, "w") as out:
        json.dump(content, out, indent=2)
PYTHON
}

servers_fetch() {
    local version=$1 dir=$SERVERS/$1 tool package
    package=$dir/node_modules/postgres-$version
    mkdir -p "$dir"
    servers_pick "$version" "$dir"
    # Whoever changes a pin gets the new one, also in a directory that was kept.
    cmp -s "$dir/package-lock.json" "$dir/fetched" && return 0
    (cd "$dir" && timeout "$fetch_limit_s" npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || return 1
    (cd "$package" && node scripts/hydrate-symlinks.js) # npm's packages hold no links
    rm -rf "$dir/bin"
    mkdir "$dir/bin"
    for tool in initdb pg_ctl postgres; do ln -s "$package/native/bin/$tool" "$dir/bin/$tool"; done
    for tool in "$CLIENTS"/*; do [ -e "$dir/bin/${tool##*/}" ] || ln -s "$tool" "$dir/bin/"; done
    chmod -R a+rX "$dir"
    "$dir/bin/postgres" --version | grep -q " $version\." || {
        echo "$package is not PostgreSQL $version" >&2
        return 1
    }
    cp "$dir/package-lock.json" "$dir/fetched"
}

servers_begin() {
    SERVERS=$(mktemp -d "${TMPDIR:-/tmp}/pgtide-servers-XXXXXX")
    chmod 755 "$SERVERS"
    trap 'kill "$fetching" 2>/dev/null || true; rm -rf "$logs" "$SERVERS"' EXIT
    for version in "$@"; do servers_fetch "$version" || exit 1; done >"$logs/fetched" 2>&1 &
    fetching=$!
}

servers_ready() {
    wait "$fetching" && return
    say "other versions of PostgreSQL are left out: npm could not fetch them"
    tail -n 20 "$logs/fetched" | sed 's/^/      /'
    return 1
}

# Why a script can't run on a version, by the list; fails if it can.
servers_leave_out() { # VERSION SCRIPT
    local script versions why clients
    clients=$(clients_major)
    while read -r script versions why; do
        [[ $script != \#* && $2 = $script ]] || continue
        case $versions in
        newer) [ "$1" -gt "$clients" ] && echo "$why (clients of $clients refuse a newer server)" && return ;;
        *-) [ "$1" -ge "${versions%-}" ] && echo "$why" && return ;;
        -*) [ "$1" -le "${versions#-}" ] && echo "$why" && return ;;
        esac
    done <"$SERVERS_LIST/left_out.txt"
    return 1
}

servers_test() {
    local version=$1 script=$2 name=postgres-$1.$2 why
    is_wanted "$name" || return 0
    if why=$(servers_leave_out "$version" "$script"); then
        left_out=$((left_out + 1))
        printf 'left  %-50s %s\n' "$name" "$why"
        return
    fi
    run_test "$name" env PG_BIN="$SERVERS/$version/bin" bash "tests/integration/$script.sh"
}
