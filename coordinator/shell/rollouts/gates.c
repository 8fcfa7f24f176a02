#include "gates.h"

#include "command.h"
#include "compat_gate.h"
#include "condition.h"
#include "coordinator.h"
#include "drifting.h"
#include "file.h"
#include "gate_look.h"
#include "gate_sql.h"
#include "http.h"
#include "log.h"
#include "named_limits.h"
#include "prometheus.h"

#include <stdlib.h>
#include <string.h>

/* What a gate's command says by its exit status. */
enum { COMMAND_SUCCEEDED = 0, COMMAND_FAILED = 1, COMMAND_INCONCLUSIVE = 2 };

/* Their own word about what took too long comes before ours that it did. */
enum { GRACE_MS = 2000 };

/* A look under way, or its answer that waits for the turn. */
typedef struct Look {
    struct Look *next;
    Gates *gates;
    Uuid rollout_id;
    uint32_t gate;
    uint64_t token;
    uint64_t until_ms;
    Child *child;         /* NULL: none at work */
    HttpCall *call;       /* NULL: none under way */
    GateLook *agents;     /* what is asked of agents; NULL: it is not theirs */
    uint64_t agent_token; /* in commands: never the same twice, over restarts too */
    bool answered;
    GateVerdict verdict;
    char message[512];
} Look;

struct Gates {
    Coordinator *coordinator;
    uv_loop_t *loop;
    HttpClient *http;
    Look *looks;
    uint32_t agent_tokens;
};

ErrCode gates_new(Coordinator *coordinator, uv_loop_t *loop, Gates **ret_gates, Error *err)
{
    HttpClient *http;
    ErrCode code = http_client_new(loop, &http, err);
    if (code != ERR_OK)
        return code;
    Gates *gates = xcalloc(1, sizeof *gates);
    gates->coordinator = coordinator;
    gates->loop = loop;
    gates->http = http;
    *ret_gates = gates;
    return ERR_OK;
}

static void look_free(Look *look)
{
    gate_look_free(look->agents);
    free(look);
}

void gates_free(Gates *gates)
{
    if (gates == NULL)
        return;
    while (gates->looks != NULL) {
        Look *look = gates->looks;
        gates->looks = look->next;
        if (look->child != NULL)
            child_kill(look->child);
        look_free(look);
    }
    http_client_free(gates->http);
    free(gates);
}

static void answer(Look *look, GateVerdict verdict, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void answer(Look *look, GateVerdict verdict, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(look->message, sizeof look->message, fmt, args);
    va_end(args);
    look->verdict = verdict;
    look->answered = true;
}

/* --- commands --------------------------------------------------------------------------------- */

static const GateCommand *find_command(const Coordinator *coordinator, const char *name)
{
    const ConfigList *commands = &coordinator->settings.gate_commands;
    const GateCommand *items = commands->items;
    for (size_t i = 0; i < commands->count; i++) {
        if (strcmp(items[i].name, name) == 0)
            return &items[i];
    }
    return NULL;
}

static void on_command_end(const ChildResult *result, void *data)
{
    Look *look = data;
    look->child = NULL;
    int length;
    const char *said = command_said(result, &length);
    if (result->term_signal != 0)
        answer(look, GATE_ERROR, "ended by signal %d", result->term_signal);
    else if (result->exit_status == COMMAND_SUCCEEDED)
        answer(look, GATE_SUCCEEDED, "%.*s", length, said);
    else if (result->exit_status == COMMAND_FAILED)
        answer(look, GATE_FAILED, "%.*s", length, said);
    else if (result->exit_status == COMMAND_INCONCLUSIVE)
        answer(look, GATE_INCONCLUSIVE, "%.*s", length, said);
    else
        answer(look, GATE_ERROR, "exit status %d: %.*s", (int)result->exit_status, length, said);
}

static void start_command(Look *look, const RolloutEntry *entry, const RolloutLookAtGate *asked)
{
    const GatePlan *gate = &entry->header.gates[asked->gate];
    const GateCommand *command = find_command(look->gates->coordinator, gate->text);
    if (command == NULL) {
        answer(look, GATE_ERROR, "this coordinator has no command '%s'", gate->text);
        return;
    }
    AUTO_ARENA Arena *arena = arena_new();
    const char *when = asked->when == GATE_BEFORE   ? "before"
                       : asked->when == GATE_DURING ? "during"
                                                    : "after";
    const char *const told[] = {
        arena_printf(arena, "PGTIDE_ROLLOUT=%s", entry->header.name),
        arena_printf(arena, "PGTIDE_GATE=%s", gate->name),
        arena_printf(arena, "PGTIDE_WAVE=%u", asked->wave + 1),
        arena_printf(arena, "PGTIDE_WHEN=%s", when),
        NULL,
    };
    Error err;
    CommandArgs args = {.argv = &command->argv, .told = told};
    if (command_start(look->gates->loop, &args, on_command_end, look, &look->child, &err) != ERR_OK)
        answer(look, GATE_ERROR, "%s", err.message);
}

/* --- Prometheus ------------------------------------------------------------------------------- */

static void on_http(const HttpAnswer *answered, void *data)
{
    Look *look = data;
    Gates *gates = look->gates;
    look->call = NULL;
    const RolloutEntry *entry = rollouts_find_id(gates->coordinator->rollouts, &look->rollout_id);
    if (answered->error != NULL || entry == NULL) {
        answer(look, GATE_ERROR, "%s", entry == NULL ? "" : answered->error->message);
        return;
    }
    AUTO_ARENA Arena *arena = arena_new();
    const char *message;
    GateVerdict verdict =
        prometheus_judge(arena, &entry->header.gates[look->gate], answered->status, answered->body,
                         answered->body_length, &message);
    answer(look, verdict, "%s", message);
}

static ErrCode read_bearer(Arena *arena, const PrometheusSettings *settings,
                           const char **ret_bearer, Error *err)
{
    char *text;
    size_t length;
    if (settings->bearer_path == NULL)
        return ERR_OK;
    ErrCode code =
        file_read_text(arena, settings->bearer_path, LIMIT_BEARER_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    text[strcspn(text, "\r\n")] = '\0';
    *ret_bearer = text;
    return ERR_OK;
}

static void start_query(Look *look, const RolloutEntry *entry)
{
    AUTO_ARENA Arena *arena = arena_new();
    const PrometheusSettings *settings = &look->gates->coordinator->settings.prometheus;
    const GatePlan *gate = &entry->header.gates[look->gate];
    if (settings->url == NULL) {
        answer(look, GATE_ERROR, "this coordinator has no Prometheus to ask");
        return;
    }
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded",
                                          "Accept: application/json", NULL};
    size_t url_length = strlen(settings->url);
    bool slash = url_length > 0 && settings->url[url_length - 1] == '/';
    const char *form = prometheus_form(arena, gate->text, gate->timeout_ms);
    HttpRequest request = {
        .method = HTTP_POST,
        .url = arena_printf(arena, "%s%sapi/v1/query", settings->url, slash ? "" : "/"),
        .headers = headers,
        .body = form,
        .body_length = strlen(form),
        .timeout_ms =
            gate->timeout_ms < LIMIT_HTTP_TIMEOUT_MS ? gate->timeout_ms : LIMIT_HTTP_TIMEOUT_MS,
        .response_bytes_max = LIMIT_HTTP_BODY_BYTES,
        .ca_file = settings->ca_path,
    };
    Error err;
    ErrCode code = read_bearer(arena, settings, &request.bearer, &err);
    if (code == ERR_OK)
        code = http_request(look->gates->http, &request, on_http, look, &look->call, &err);
    look->until_ms += GRACE_MS; /* libcurl's own words come first */
    if (code != ERR_OK)
        answer(look, GATE_ERROR, "%s", err.message);
}

/* --- agents ----------------------------------------------------------------------------------- */

static void agents_go_on(Look *look, const RolloutEntry *entry)
{
    AUTO_ARENA Arena *arena = arena_new();
    GatePage page;
    while (gate_look_next(look->agents, &page)) {
        size_t sent = rollout_send_look(look->gates->coordinator, entry, &page, look->gate,
                                        look->agent_token, arena);
        gate_look_cut(look->agents, page.agent, sent);
        arena_reset(arena);
    }
    if (gate_look_is_over(look->agents))
        answer(look, gate_look_verdict(look->agents), "%s", gate_look_message(look->agents));
}

static void start_agents(Look *look, const RolloutEntry *entry, const RolloutLookAtGate *asked)
{
    Gates *gates = look->gates;
    uint64_t epoch = journal_epoch(gates->coordinator->journal);
    look->until_ms += GRACE_MS;
    look->agent_token = epoch << 32 | ++gates->agent_tokens;
    look->agents = gate_look_new(entry->core, asked);
    for (uint32_t i = 0; i < rollout_agent_count(entry->core); i++) {
        const RosterAgent *agent =
            roster_find(gates->coordinator->roster, rollout_agent_name(entry->core, i));
        gate_look_agent(look->agents, i, agent != NULL && agent->connected);
    }
    agents_go_on(look, entry);
}

void gates_looked(Gates *gates, const char *agent, const Looked *looked)
{
    const RolloutEntry *entry = rollouts_find_id(gates->coordinator->rollouts, &looked->rollout_id);
    for (Look *look = gates->looks; look != NULL && entry != NULL; look = look->next) {
        if (look->answered || look->agents == NULL || look->agent_token != looked->token ||
            look->gate != looked->gate || !uuid_equal(&look->rollout_id, &looked->rollout_id))
            continue;
        gate_look_answer(look->agents, rollout_agent_find(entry->core, agent), looked->page,
                         looked->verdict, looked->message);
        const GatePlan *gate = &entry->header.gates[look->gate];
        if (gate->kind == GATE_KIND_COMPAT) /* each page takes its window anew */
            look->until_ms = gates->coordinator->now_ms + gate->timeout_ms + GRACE_MS;
        agents_go_on(look, entry);
    }
}

void gates_agent(Gates *gates, const char *agent, bool there)
{
    for (Look *look = gates == NULL ? NULL : gates->looks; look != NULL; look = look->next) {
        const RolloutEntry *entry =
            rollouts_find_id(gates->coordinator->rollouts, &look->rollout_id);
        if (look->answered || look->agents == NULL || entry == NULL)
            continue;
        gate_look_agent(look->agents, rollout_agent_find(entry->core, agent), there);
        agents_go_on(look, entry);
    }
}

/* --- drift ------------------------------------------------------------------------------------ */

/* The worst of its shards, how many are as bad, and what is wrong with the first of them. */
typedef struct Worst {
    GateVerdict verdict;
    size_t count;
    const char *first;
} Worst;

static void count_shard(Worst *worst, Arena *arena, GateVerdict verdict, const char *name,
                        const char *reason)
{
    if (gate_verdict_is_worse(verdict, worst->verdict))
        *worst = (Worst){.verdict = verdict, .first = arena_printf(arena, "%s: %s", name, reason)};
    worst->count += verdict == worst->verdict ? 1 : 0;
}

static void look_at_drift(Look *look, const RolloutEntry *entry, const RolloutLookAtGate *asked)
{
    AUTO_ARENA Arena *arena = arena_new();
    const Coordinator *coordinator = look->gates->coordinator;
    GateLook *about = gate_look_new(entry->core, asked);
    Worst worst = {.verdict = GATE_UNSPECIFIED};
    size_t count = gate_look_count(about);
    for (size_t i = 0; i < count; i++) {
        const PlanShard *plan = &entry->shards[gate_look_shard(about, i)];
        const FleetShard *shard = inventory_find(coordinator->inventory, &plan->uuid);
        DriftJudgement judgement = {.verdict = DRIFT_UNKNOWN, .why = "no agent lists it"};
        const char *name = plan->database;
        if (shard != NULL) {
            judgement = drifting_judge(coordinator, shard);
            name = shard->name;
        }
        count_shard(&worst, arena, drift_gate_verdict(judgement.verdict), name,
                    judgement.verdict == DRIFT_DRIFTED ? drifting_reason(arena, shard, &judgement)
                                                       : judgement.why);
    }
    if (count == 0)
        answer(look, gate_look_verdict(about), "%s", gate_look_message(about));
    else if (worst.verdict == GATE_SUCCEEDED)
        answer(look, worst.verdict, "%zu shards are as expected, or accepted", count);
    else
        answer(look, worst.verdict, "%s%zu of %zu shards%s, first %s",
               worst.verdict == GATE_ERROR ? "of " : "", worst.count, count,
               worst.verdict == GATE_ERROR ? " it is not known" : "", worst.first);
    gate_look_free(about);
}

/* --- looks ------------------------------------------------------------------------------------ */

static bool is_for_agents(GateKind kind)
{
    return kind == GATE_KIND_SQL || kind == GATE_KIND_LAG || kind == GATE_KIND_LOAD ||
           kind == GATE_KIND_COMPAT;
}

void gates_look(Gates *gates, const RolloutEntry *entry, const RolloutLookAtGate *asked)
{
    const GatePlan *gate = &entry->header.gates[asked->gate];
    Look *look = xcalloc(1, sizeof *look);
    *look = (Look){.next = gates->looks,
                   .gates = gates,
                   .rollout_id = entry->header.rollout_id,
                   .gate = asked->gate,
                   .token = asked->token,
                   .until_ms = gates->coordinator->now_ms + gate->timeout_ms};
    gates->looks = look;
    if (gate->kind == GATE_KIND_PERSON)
        answer(look, GATE_INCONCLUSIVE, "%s", gate->text);
    else if (gate->kind == GATE_KIND_DRIFT)
        look_at_drift(look, entry, asked);
    else if (is_for_agents(gate->kind))
        start_agents(look, entry, asked);
    else if (gate->kind == GATE_KIND_PROMETHEUS)
        start_query(look, entry);
    else
        start_command(look, entry, asked);
}

static bool has_ended(Look *look)
{
    if (look->answered || look->until_ms > look->gates->coordinator->now_ms)
        return look->answered;
    if (look->agents != NULL) {
        gate_look_expire(look->agents);
        answer(look, gate_look_verdict(look->agents), "%s", gate_look_message(look->agents));
        return true;
    }
    if (look->call != NULL)
        http_cancel(look->call);
    look->call = NULL;
    child_kill(look->child);
    look->child = NULL;
    answer(look, GATE_ERROR, "no answer in time");
    return true;
}

static void give(Gates *gates, const Look *look)
{
    RolloutEntry *entry = rollouts_find_id(gates->coordinator->rollouts, &look->rollout_id);
    if (entry == NULL)
        return;
    log_event(LOG_INFO, "gate.looked", "rollout", entry->header.name, "gate",
              entry->header.gates[look->gate].name, "verdict", gate_verdict_name(look->verdict),
              "message", look->message, NULL);
    RolloutGateEvent event = {look->gate, look->token, look->verdict, look->message};
    rollouts_gate(gates->coordinator->rollouts, entry, &event);
}

void gates_take(Gates *gates)
{
    /* An answer may ask for the next look: what is taken now is taken off first. */
    Look *ended = NULL;
    Look **at = &gates->looks;
    while (*at != NULL) {
        Look *look = *at;
        if (has_ended(look)) {
            *at = look->next;
            look->next = ended;
            ended = look;
        } else {
            at = &look->next;
        }
    }
    while (ended != NULL) {
        Look *look = ended;
        ended = look->next;
        give(gates, look);
        look_free(look);
    }
}

static ErrCode check_condition(const GatePlan *gate, const char *key, const char *text, Error *err)
{
    Condition condition;
    ErrCode code = text[0] == '\0' ? ERR_OK : condition_parse(text, &condition, err);
    return code == ERR_OK ? ERR_OK : err_wrap(err, "gate '%s': %s", gate->name, key);
}

static ErrCode check_query(const Coordinator *coordinator, const GatePlan *gate, Error *err)
{
    if (coordinator->settings.prometheus.url == NULL) {
        err_set(err, ERR_CONFIG, "gate '%s': the coordinator has no Prometheus to ask", gate->name);
        err_hint(err, "Its configuration names it in `prometheus`.");
        return ERR_CONFIG;
    }
    if (gate->text[0] == '\0' || (gate->success[0] == '\0' && gate->failure[0] == '\0'))
        return err_set(err, ERR_CONFIG, "gate '%s' needs a query, and `success` or `failure`",
                       gate->name);
    ErrCode code = check_condition(gate, "success", gate->success, err);
    if (code == ERR_OK)
        code = check_condition(gate, "failure", gate->failure, err);
    return code;
}

ErrCode gates_check(const Coordinator *coordinator, const GatePlan *gate, Error *err)
{
    if (gate->kind == GATE_KIND_SQL)
        return gate_sql_check(gate->name, gate->text, err);
    if (gate->kind == GATE_KIND_LAG && gate->limit >= gate->timeout_ms)
        return err_set(err, ERR_CONFIG,
                       "gate '%s': a lag is measured for as long as it may be: its timeout must be "
                       "longer",
                       gate->name);
    if (gate->kind == GATE_KIND_COMPAT)
        return compat_gate_check(gate, err);
    if (gate->kind == GATE_KIND_PERSON || gate->kind == GATE_KIND_DRIFT ||
        is_for_agents(gate->kind))
        return ERR_OK;
    if (gate->kind == GATE_KIND_PROMETHEUS)
        return check_query(coordinator, gate, err);
    if (gate->kind != GATE_KIND_COMMAND)
        return err_set(err, ERR_CONFIG, "gate '%s' is of a kind that this version can't look at",
                       gate->name);
    if (find_command(coordinator, gate->text) != NULL)
        return ERR_OK;
    err_set(err, ERR_CONFIG, "gate '%s': the coordinator has no command '%.80s'", gate->name,
            gate->text);
    err_hint(err, "Its configuration names them in `gate-commands`.");
    return ERR_CONFIG;
}
