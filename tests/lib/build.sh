# Sourced by tests/run and deploy/demo.
#
#   build LOG PRESET [TARGET…]    configures and builds; says how far it is now and then, and what went wrong

build() {
    local log=$1 preset=$2 line last=0 share
    shift 2
    if ! cmake --preset "$preset" >"$log" 2>&1; then
        cat "$log" >&2
        return 1
    fi
    if ! cmake --build --preset "$preset" ${1:+--target "$@"} 2>&1 | while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]] || continue
        share=$((BASH_REMATCH[1] * 5 / BASH_REMATCH[2]))
        [ "$share" -gt "$last" ] || continue
        last=$share
        echo "  ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} built"
    done; then
        tail -n 60 "$log" >&2
        return 1
    fi
}
