# Sourced by tests/bench/rollout: the same works by one process without a fleet, `pgtide ... --urls`: plan, run lock,
# fenced steps with history, on eight databases at a time.

urls_prepare() {
    sed "s|^|host=$HOST port=$PORT user=postgres dbname=|" "$T/databases" >"$T/urls"
    cat >"$T/urls.yaml" <<YAML
versions: [$PWD/migrations/example/versions, $PWD/tests/bench/versions]
YAML
}
urls_pgtide() { timed "$BIN/pgtide" "$@" --quiet --urls "$T/urls" -j 8; }
urls_run_eight() { urls_pgtide upgrade --config migrations/example/pgtide.yaml; }
urls_run_one() { urls_pgtide upgrade --config "$T/urls.yaml"; }
urls_run_status() { urls_pgtide current --config "$T/urls.yaml"; }
urls_run_back() { urls_pgtide downgrade --config "$T/urls.yaml" 008_add_user_title; }
urls_check() { pgtide_check "${1/status/one}"; }
