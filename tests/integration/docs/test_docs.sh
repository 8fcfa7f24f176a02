#!/usr/bin/env bash
# The documents: what they tell a reader to type works, what they name exists, what is generated is current.
#
# A fenced sh block behind the line `<!-- run: NAME -->` is run. All blocks of a document with the same NAME are one
# shell script (set -eu), in the order they stand, in an empty directory with a link to migrations/: `single` has an
# empty database in PGTIDE_URL, `fleet` a server of its own in PGHOST and PGUSER, `restore` what `fleet` has left.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cluster.sh"
test_begin docs
cd "$ROOT"
mapfile -t pages < <(git ls-files '*.md')
check 'there are documents' test "${#pages[@]}" -gt 5

# --- generated pages
check 'docs/cli.md is current (pgtide help --markdown)' diff -u docs/cli.md <("$BIN/pgtide" help --markdown)
check 'docs/errors.md is current (pgtide help --errors)' diff -u docs/errors.md <("$BIN/pgtide" help --errors)
check 'docs/rollouts.md is current (pgtide help --rollouts)' diff -u docs/rollouts.md <("$BIN/pgtide" help --rollouts)
check 'docs/safe-migrations.md is current (pgtide help --safe-migrations)' diff -u docs/safe-migrations.md <("$BIN/pgtide" help --safe-migrations)
check 'docs/lint.md is current (pgtide help --lint)' diff -u docs/lint.md <("$BIN/pgtide" help --lint)
check 'docs/events.md has the types of coordinator/core/fleet_events.def' diff -u \
    <(sed -n '/^## Types/,/^## /p' docs/events.md | grep '^| `') \
    <(sed -nE 's/^X\([A-Z_]+, "([^"]+)", "([^"]+)"\)$/| `\1` | \2 |/p' coordinator/core/fleet_events.def)

# --- links: files relative to their page, and headings
anchors() { # of a page, one a line, as hosting sites make them
    awk '/^```/ {code = !code} !code && /^#+ / {sub(/^#+ /, ""); print tolower($0)}' "$1" |
        sed -E "s/[^a-z0-9 _-]//g; s/ /-/g"
}
links=0
for page in "${pages[@]}"; do
    while read -r target; do
        case $target in '' | *://* | mailto:*) continue ;; esac
        file=${target%%#*} anchor=
        [[ $target != *#* ]] || anchor=${target#*#}
        path=$page
        [ -z "$file" ] || path=$(dirname "$page")/$file
        check "$page links to $target" test -e "$path"
        [ -z "$anchor" ] || check "$page links to the heading $target" grep -qxF -- "$anchor" <(anchors "$path")
        links=$((links + 1))
    done < <(awk '/^ *```/ {code = !code} !code' "$page" | grep -oE '\]\([^) ]+\)' | sed -E 's/^\]\((.*)\)$/\1/' || true)
done
check 'links were found' test "$links" -gt 15

# --- commands: every `pgtide WORD` in code or a block is one of the table, with options it has
commands=0
check_command() { # PAGE TEXT
    local page=$1 words=() word help
    read -ra words <<<"$2"
    case ${words[0]:-} in '' | -* | help) return 0 ;; esac
    word=${words[0]//_/-}
    if grep -q "^## pgtide $word [a-z]" docs/cli.md && ! grep -qE "^## pgtide $word\$" docs/cli.md &&
        [[ ${words[1]:-} =~ ^[a-z][a-z-]*$ ]] && ! grep -qE "^## pgtide $word( [A-Z[]|\$)" docs/cli.md; then
        word="$word ${words[1]}"
    fi
    # shellcheck disable=SC2086 # two words
    help=$("$BIN/pgtide" $word --help 2>/dev/null) || {
        echo "$page: there is no command \`pgtide $word\`" >&2
        return 1
    }
    local i
    for ((i = 1; i < ${#words[@]}; i++)); do
        case ${words[i]} in
        --[a-z]*)
            local option=${words[i]%%[=,.;:)]*}
            grep -qE -- "$option( |\$)" <<<"$help" || {
                echo "$page: \`pgtide $word\` has no option $option" >&2
                return 1
            }
            ;;
        '|' | '&&' | '#' | '>' | '2>' | '&') break ;;
        esac
    done
    commands=$((commands + 1))
}
for page in "${pages[@]}"; do
    [ "$page" != docs/cli.md ] || continue
    while IFS= read -r line; do
        check "$page: pgtide $line" check_command "$page" "$line"
    done < <({
        awk '/^ *```/ {code = !code; sh = /```sh/; next} code && sh' "$page" | sed -e ':a' -e '/\\$/N; s/\\\n//; ta' |
            grep -oE '(^|[ (;])pgtide [a-z].*' | sed -E 's/^[ (;]*pgtide //; s/[;)].*$//' || true
        awk '/^ *```/ {code = !code; next} !code' "$page" | tr '\n' ' ' | grep -oE '`pgtide [a-z][^`]*`' |
            sed -E 's/^`pgtide //; s/`$//' || true
    })
done
check 'commands were found' test "$commands" -gt 40

# --- configuration: every key that a program knows stands on the page
for program in coordinator agent; do
    [ -x "$BIN/pgtide-$program" ] || continue
    while read -r key; do
        check "docs/configuration.md has the $program's key $key" grep -q -- "$key\`" docs/configuration.md
    done < <("$BIN/pgtide-$program" --help | sed '1,/^Keys of the file/d' | awk '!($2 ~ /^mapping[:,]?$/ && $3 != "of") {print $1}' | sort -u)
done
while read -r key; do
    check "docs/configuration.md has the project's key $key" grep -q -- "$key\`" docs/configuration.md
done < <(sed -nE 's/.*\.key = "([a-z_-]+)".*/\1/p; s/^ +\[HOOK_[A-Z_]+\] = "([a-z-]+)".*/\1/p' engine/project/project.c engine/project/project_hooks.c)
while read -r name; do
    check "docs/configuration.md or operations.md has $name" grep -qF -- "\`$name\`" docs/configuration.md docs/operations.md
done < <(grep -rhoE 'getenv\("PGTIDE_[A-Z_]+"\)|"PGTIDE_[A-Z]+"' cli engine common/wire agent coordinator |
    grep -oE 'PGTIDE_[A-Z_]+' | grep -vxE 'PGTIDE_VERSION' | sort -u)

# --- tests, files and invariants that a page names exist
while read -r name; do
    check "the documents name $name" git grep -qw -- "$name" -- tests
done < <(grep -ohE '`(test_[a-z_0-9]+|[a-z_0-9]+)`' docs/security.md | tr -d '`' | grep _ | sort -u)
while read -r path; do
    check "a document names $path" test -e "$path"
done < <(grep -ohE '\b(cli|engine|common|coordinator|agent|tests|deploy|proto|migrations|docs)/[a-zA-Z0-9_./-]+\.(c|h|sh|sql|def|proto|md|yaml|txt)\b' \
    README.md ARCHITECTURE.md CONTRIBUTING.md docs/*.md | sort -u)
while read -r number; do
    check "ARCHITECTURE.md has $number" grep -q "^| $number |" ARCHITECTURE.md
done < <(git grep -ohE 'INVARIANT\(I[0-9]+|SIM_CHECK\(sim, I[0-9]+' -- '*.c' | grep -oE 'I[0-9]+' | sort -u)

# --- blocks that are run
blocks() { # PAGE NAME
    awk -v name="<!-- run: $2 -->" '
        $0 == name {armed = 1; next}
        armed && /^```sh$/ {on = 1; armed = 0; next}
        on && /^```$/ {on = 0; next}
        on' "$1"
}
run_page() { # PAGE NAME [DIRECTORY]
    local dir=${3:-$T/run-$(basename "$1" .md)-$2} status=0
    mkdir -p "$dir"
    ln -sfn "$ROOT/migrations" "$dir/migrations"
    {
        echo 'set -eu'
        echo 'trap "kill \$(jobs -p) 2>/dev/null || true; wait" EXIT'
        echo 'PS4="$ "; set -x'
        blocks "$1" "$2"
    } >"$dir.sh"
    (cd "$dir" && PATH="$BIN:$PG_BIN:$PATH" timeout 300 bash "$dir.sh") >"$dir.out" 2>&1 </dev/null || status=$?
    [ "$status" -eq 0 ] || {
        echo "$1: its blocks \`run: $2\` end with status $status" >&2
        tail -n 40 "$dir.out" "$dir"/*/*.log >&2 2>/dev/null || true
        return 1
    }
}
# A block that nobody runs because of a typo in its mark would look tested.
check 'every mark is known' same "$(grep -hE '^<!-- run:' "${pages[@]}" | sort -u)" '<!-- run: fleet -->
<!-- run: restore -->
<!-- run: single -->'

cluster_start one
n=0
for page in $(grep -lxF '<!-- run: single -->' "${pages[@]}"); do
    n=$((n + 1))
    cluster_psql one postgres -c "CREATE DATABASE page_$n"
    PGTIDE_URL=$(cluster_url one "page_$n") check "$page runs" run_page "$page" single
done
check 'pages with a database were run' test "$n" -ge 2
export PGHOST=$T/one/socket PGUSER=postgres
check 'docs/guide.md makes a fleet' run_page docs/guide.md fleet "$T/fleet"
check 'the guide led every tenant up and back' same "$(for i in 1 2 3; do
    cluster_psql one "tenant_$i" -c "SELECT count(*) FILTER (WHERE direction = 'upgrade'), count(*) FILTER (WHERE direction = 'downgrade') FROM pgtide.history WHERE outcome = 'succeeded'"
done | sort -u)" '8|8'
check 'docs/operations.md restores a backup' run_page docs/operations.md restore "$T/fleet"
check 'as it was before the first step' same \
    "$(cluster_psql one tenant_1 -c "SELECT (SELECT count(*) FROM alembic_version), count(*) FROM pgtide.history WHERE direction = 'upgrade'")" '0|0'
expect_exit 0 "$BIN/pgtide" ensure-version --unmanaged test --url 'dbname=tenant_1 user=pgtide_agent'
check 'it is the shard, not a clone of it' contains "$(cat "$T/out")" 'already adopted; at base'
check 'the writers of before are fenced off' test "$(cluster_psql one tenant_1 -c 'SELECT fence FROM pgtide.shard')" -gt 1000000
