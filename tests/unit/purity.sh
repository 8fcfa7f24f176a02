#!/bin/sh
# The cores decide and do nothing else: purity.sh BASE CORE... fails when a core's library needs a
# symbol that is neither its own, nor common/base's, nor on this list of what libc does in memory.
set -eu
base=$1
shift
allowed='__assert_fail|__stack_chk_fail|_GLOBAL_OFFSET_TABLE_|free|qsort|strlen|strnlen|strcmp|strncmp|strchr|strrchr|strstr|strspn|strcspn|memcpy|memmove|memset|memcmp|memchr|__(mem|str)[a-z]*_chk'
known=$(mktemp)
trap 'rm -f "$known"' EXIT
status=0
for core in "$@"; do
    nm -g --defined-only "$base" "$core" | awk 'NF == 3 {print $3}' | sort -u >"$known"
    [ -s "$known" ] || { echo "$core: no symbols"; exit 1; }
    for symbol in $(nm -u "$core" | awk '$1 == "U" {print $2}' | sort -u); do
        grep -qxF "$symbol" "$known" && continue
        echo "$symbol" | grep -qxE "$allowed" && continue
        echo "$core needs $symbol"
        status=1
    done
done
# What base offers must not be a way round the list.
for symbol in $(nm -u "$base" | awk '$1 == "U" {print $2}' | sort -u); do
    case $symbol in
    time | clock_gettime | gettimeofday | rand* | random | getrandom | open* | fopen* | read | write | socket | getenv)
        echo "$base needs $symbol"
        status=1
        ;;
    esac
done
exit $status
