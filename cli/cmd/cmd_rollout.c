/* Starting, pacing and watching rollouts. */
#include "client.h"
#include "clock.h"
#include "table.h"

#include "digest.h"
#include "file.h"
#include "named_limits.h"
#include "plan_codec.h"
#include "proto_read.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WATCH_WAIT_MS = 2000,
    WATCH_PAUSE_MS =
        50, /* a view for each change would cost the coordinator more than the shards */
    WATCH_WAVES = 12,
    WATCH_ACTIVITIES = 5,
    BAR_WIDTH = 30,
};

/* A plan file stands for its rollout; anything else is a name or an id. */
static ErrCode rollout_named(CommandContext *context, const char **ret_name, Digest *ret_digest,
                             bool *ret_is_file, Error *err)
{
    const char *given = context_argument(context, 0);
    *ret_name = given;
    *ret_is_file = str_ends_with(given, ".plan");
    if (!*ret_is_file)
        return ERR_OK;
    uint8_t *bytes;
    size_t length;
    PlanFile file;
    PlanHeader header;
    const uint8_t *payload;
    size_t signatures;
    ErrCode code = file_read_all(context->arena, given, LIMIT_PLAN_BYTES, &bytes, &length, err);
    if (code == ERR_OK)
        code = plan_file_decode(context->arena, bytes, length, &file, err);
    if (code == ERR_OK)
        code = envelope_peek_unverified(context->arena, file.header_envelope.bytes,
                                        file.header_envelope.length, MESSAGE_PLAN, &payload,
                                        &length, &signatures, err);
    if (code == ERR_OK)
        code = plan_header_decode(context->arena, payload, length, &header, err);
    if (code == ERR_OK)
        code = plan_file_check(context->arena, &file, &header, NULL, err);
    if (code != ERR_OK)
        return err_wrap(err, "%s", given);
    char *id = arena_alloc(context->arena, UUID_TEXT_SIZE);
    uuid_format(&header.rollout_id, id);
    *ret_name = id;
    *ret_digest = sha256_bytes(payload, length);
    return ERR_OK;
}

static const char *const control_words[] = {
    [PGTIDE__V1__CONTROL__CONTROL_START] = "started",
    [PGTIDE__V1__CONTROL__CONTROL_PAUSE] = "pausing; jobs in flight finish their step",
    [PGTIDE__V1__CONTROL__CONTROL_RESUME] = "going on",
    [PGTIDE__V1__CONTROL__CONTROL_ABORT] = "aborting; jobs in flight finish their step",
    [PGTIDE__V1__CONTROL__CONTROL_RETRY] = "trying again what failed",
    [PGTIDE__V1__CONTROL__CONTROL_SKIP] = "left out",
    [PGTIDE__V1__CONTROL__CONTROL_SET] = "set",
    [PGTIDE__V1__CONTROL__CONTROL_CHECK] = "could be started now; nothing was done",
};

static bool setting_value(const char *setting, const char *text, uint32_t *ret_value)
{
    char *end;
    uint64_t value;
    if (*text < '0' || *text > '9')
        return false;
    if (strncmp(setting, "bake=", 5) == 0) {
        if (!duration_parse(text, &value))
            return false;
    } else {
        value = strtoul(text, &end, 10);
        if (*end != '\0')
            return false;
    }
    *ret_value = (uint32_t)value;
    return value <= UINT32_MAX;
}

/* "concurrency.fleet=10", "bake=1h" */
static ErrCode setting_read(CommandContext *context, Pgtide__V1__ControlRollout *message,
                            Error *err)
{
    const char *given = context_argument(context, 1);
    const char *equals = strchr(given, '=');
    uint32_t value = 0;
    if (equals == NULL || !setting_value(given, equals + 1, &value)) {
        err_set(err, ERR_USAGE, "'%.80s' is not SETTING=VALUE", given);
        err_hint(err,
                 "For example `pgtide rollout set ROLLOUT concurrency.fleet=10`, or `bake=1h`.");
        return ERR_USAGE;
    }
    message->setting =
        proto_from_text(arena_strndup(context->arena, given, (size_t)(equals - given)));
    message->value = value;
    return ERR_OK;
}

/* What stands behind the rollout's name: shards, or a setting. */
static ErrCode control_arguments(CommandContext *context, Pgtide__V1__Control control,
                                 Pgtide__V1__ControlRollout *message, Error *err)
{
    if (control == PGTIDE__V1__CONTROL__CONTROL_SET)
        return setting_read(context, message, err);
    size_t count = context->arguments.count - 1;
    char **shards = ARENA_ARRAY(context->arena, char *, count + 1);
    for (size_t i = 0; i < count; i++)
        shards[i] = arena_strdup(context->arena, context_argument(context, i + 1));
    message->shards = shards;
    message->n_shards = count;
    return ERR_OK;
}

static ErrCode control_send(CommandContext *context, Pgtide__V1__Control control, Error *err)
{
    const char *name;
    Digest digest;
    bool is_file;
    ErrCode code = rollout_named(context, &name, &digest, &is_file, err);
    AUTO_CLIENT Client *client = NULL;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__ControlRollout message = PGTIDE__V1__CONTROL_ROLLOUT__INIT;
    const char *reason = context_option(context, "reason");
    message.rollout = proto_from_text(name);
    message.control = control;
    message.reason = proto_from_text(reason == NULL ? "" : reason);
    if (is_file)
        message.plan_digest = proto_from_digest(&digest);
    code = control_arguments(context, control, &message, err);
    if (code != ERR_OK)
        return code;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_CONTROL;
    request.control = &message;
    ClientAnswer answer;
    code = client_request(client, &request, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    say(context, "%s: %s", answer_text(answer.result, "name"), control_words[control]);
    return ERR_OK;
}

static ErrCode run_start(CommandContext *context, Error *err)
{
    return control_send(context,
                        context_has(context, "dry-run") ? PGTIDE__V1__CONTROL__CONTROL_CHECK
                                                        : PGTIDE__V1__CONTROL__CONTROL_START,
                        err);
}

static ErrCode run_pause(CommandContext *context, Error *err)
{
    return control_send(context, PGTIDE__V1__CONTROL__CONTROL_PAUSE, err);
}

static ErrCode run_resume(CommandContext *context, Error *err)
{
    return control_send(context, PGTIDE__V1__CONTROL__CONTROL_RESUME, err);
}

static ErrCode run_abort(CommandContext *context, Error *err)
{
    return control_send(context, PGTIDE__V1__CONTROL__CONTROL_ABORT, err);
}

static ErrCode run_retry(CommandContext *context, Error *err)
{
    return control_send(context, PGTIDE__V1__CONTROL__CONTROL_RETRY, err);
}

static ErrCode run_skip(CommandContext *context, Error *err)
{
    return control_send(context, PGTIDE__V1__CONTROL__CONTROL_SKIP, err);
}

static ErrCode run_set(CommandContext *context, Error *err)
{
    return control_send(context, PGTIDE__V1__CONTROL__CONTROL_SET, err);
}

static ErrCode run_list(CommandContext *context, Error *err)
{
    static const char *const header[] = {"ROLLOUT", "STATE",  "BUNDLE", "TARGET",
                                         "DONE",    "FAILED", "ID",     NULL};
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_ROLLOUTS;
    ErrCode code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = client_view(client, &view, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    Table table = table_begin(context, header);
    const json_t *rollouts = json_object_get(answer.result, "rollouts");
    for (size_t i = 0; i < json_array_size(rollouts); i++) {
        const json_t *rollout = json_array_get(rollouts, i);
        const json_t *progress = json_object_get(rollout, "progress");
        table_cell(&table, answer_text(rollout, "name"));
        table_cell(&table, answer_text(rollout, "state"));
        table_cell(&table, answer_text(rollout, "bundle"));
        table_cell(&table, answer_text(rollout, "target"));
        table_cell(&table, arena_printf(context->arena, "%lld/%lld",
                                        (long long)answer_int(progress, "done"),
                                        (long long)answer_int(progress, "total")));
        table_cell_int(&table, answer_int(progress, "failures"));
        table_cell(&table, answer_text(rollout, "id"));
    }
    table_print(&table);
    return ERR_OK;
}

static ErrCode rollout_view(Client *client, const char *name, bool with_shards, uint64_t seen,
                            uint32_t wait_ms, ClientAnswer *ret_answer, Error *err)
{
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_ROLLOUT;
    view.rollout = proto_from_text(name);
    view.with_shards = with_shards;
    view.seen_revision = seen;
    view.wait_ms = wait_ms;
    return client_view(client, &view, ret_answer, err);
}

/* The number of lines. */
static size_t summary_tell(CommandContext *context, const json_t *rollout)
{
    const char *reason = answer_text(rollout, "reason");
    const json_t *approvals = json_object_get(rollout, "approvals");
    const char *window = answer_text(rollout, "window");
    say(context, "rollout    %s (%s)", answer_text(rollout, "name"), answer_text(rollout, "id"));
    say(context, "state      %s%s%s%s%s", answer_text(rollout, "state"),
        answer_bool(rollout, "braked") ? ", held by the fleet's brake" : "",
        answer_bool(rollout, "stopping") ? ", stopping" : "", reason[0] == '\0' ? "" : ": ",
        reason);
    say(context, "plan       %s to %s with bundle %s, by %s", answer_text(rollout, "direction"),
        answer_text(rollout, "target"), answer_text(rollout, "bundle"),
        answer_text(rollout, "author"));
    if (window[0] != '\0' && strcmp(window, "open") != 0)
        say(context, "window     %s: no shard is begun before %s", window,
            answer_text(rollout, "window_opens"));
    else if (window[0] != '\0')
        say(context, "window     open; no shard is begun after %s",
            answer_text(rollout, "window_changes"));
    say(context, "approvals  %lld of %lld%s", (long long)answer_int(approvals, "given"),
        (long long)answer_int(approvals, "needed"),
        answer_bool(rollout, "vetoed") ? ", vetoed" : "");
    return window[0] == '\0' ? 4 : 5;
}

/* "##########....." : done, then at work, then to come. */
static const char *bar_text(CommandContext *context, int64_t done, int64_t busy, int64_t total)
{
    char *bar = arena_alloc(context->arena, BAR_WIDTH + 1);
    int64_t full = total == 0 ? BAR_WIDTH : done * BAR_WIDTH / total;
    int64_t half = total == 0 ? BAR_WIDTH : (done + busy) * BAR_WIDTH / total;
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < full ? '#' : i < half ? '+' : '.';
    return bar;
}

/* The number of lines. `limit`: of waves around the one at work, since a screen has an end; 0 =
 * all. */
static size_t waves_tell(CommandContext *context, const json_t *rollout, size_t limit)
{
    static const char *const header[] = {"WAVE", "NAME",   "STATE",       "PROGRESS",
                                         "DONE", "FAILED", "ROLLED BACK", NULL};
    Table table = table_begin(context, header);
    const json_t *waves = json_object_get(rollout, "waves");
    size_t count = json_array_size(waves);
    size_t shown = limit == 0 || count < limit ? count : limit;
    size_t at_work = (size_t)answer_int(rollout, "wave");
    size_t first = at_work > shown / 2 ? at_work - shown / 2 : 0;
    if (first + shown > count)
        first = count - shown;
    for (size_t i = first; i < first + shown; i++) {
        const json_t *wave = json_array_get(waves, i);
        int64_t total = answer_int(wave, "shards");
        int64_t done = answer_int(wave, "done");
        table_cell_int(&table, answer_int(wave, "number"));
        table_cell(&table, answer_text(wave, "name"));
        table_cell(&table, answer_text(wave, "state"));
        table_cell(&table, bar_text(context, done, answer_int(wave, "in_flight"), total));
        table_cell(&table,
                   arena_printf(context->arena, "%lld/%lld", (long long)done, (long long)total));
        table_cell_int(&table, answer_int(wave, "failures"));
        table_cell_int(&table, answer_int(wave, "rolled_back"));
    }
    table_print(&table);
    if (shown < count)
        say(context, "waves %zu to %zu of %zu", first + 1, first + shown, count);
    return 1 + shown + (shown < count ? 1 : 0);
}

static const char *looks_text(CommandContext *context, const json_t *gate)
{
    static const char *const verdicts[] = {"succeeded", "failed", "inconclusive", "error"};
    const json_t *looks = json_object_get(gate, "looks");
    AUTO_STR Str text = {0};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        int64_t count = answer_int(looks, verdicts[i]);
        if (count > 0)
            str_printf(&text, "%s%lld %s", text.length > 0 ? ", " : "", (long long)count,
                       verdicts[i]);
    }
    return arena_strdup(context->arena, str_text(&text));
}

static const char *when_text(CommandContext *context, const json_t *gate)
{
    const json_t *when = json_object_get(gate, "when");
    AUTO_STR Str text = {0};
    for (size_t i = 0; i < json_array_size(when); i++)
        str_printf(&text, "%s%s", i > 0 ? "," : "", json_string_value(json_array_get(when, i)));
    return arena_strdup(context->arena, str_text(&text));
}

static void gates_tell(CommandContext *context, const json_t *rollout)
{
    static const char *const header[] = {"GATE", "KIND", "WHEN", "LOOKS", "LAST", "MESSAGE", NULL};
    const json_t *gates = json_object_get(rollout, "gates");
    if (json_array_size(gates) == 0)
        return;
    Table table = table_begin(context, header);
    for (size_t i = 0; i < json_array_size(gates); i++) {
        const json_t *gate = json_array_get(gates, i);
        table_cell(&table, answer_text(gate, "name"));
        table_cell(&table, answer_text(gate, "kind"));
        table_cell(&table, when_text(context, gate));
        table_cell(&table, looks_text(context, gate));
        table_cell(&table, answer_bool(gate, "waits")     ? "waits"
                           : answer_bool(gate, "looking") ? "looking"
                                                          : answer_text(gate, "verdict"));
        table_cell(&table, answer_text(gate, "message"));
    }
    table_print(&table);
}

/* The number of lines. What jobs that take their time are at; `limit` 0 = all that were told. */
static size_t activities_tell(CommandContext *context, const json_t *rollout, size_t limit)
{
    static const char *const header[] = {"AT WORK", "REVISION", "AT", NULL};
    const json_t *activities = json_object_get(rollout, "activities");
    size_t count = json_array_size(activities);
    size_t shown = limit == 0 || count < limit ? count : limit;
    size_t more = count - shown + (size_t)answer_int(rollout, "activities_untold");
    if (count == 0)
        return 0;
    Table table = table_begin(context, header);
    for (size_t i = 0; i < shown; i++) {
        const json_t *activity = json_array_get(activities, i);
        table_cell(&table, answer_text(activity, "shard"));
        table_cell(&table, answer_text(activity, "revision"));
        table_cell(&table, answer_text(activity, "text"));
    }
    table_print(&table);
    if (more > 0)
        say(context, "and %zu more", more);
    return 1 + shown + (more > 0 ? 1 : 0);
}

static void shards_tell(CommandContext *context, const json_t *rollout, bool only_troubled)
{
    static const char *const header[] = {"SHARD", "WAVE", "STATE", "STEPS", "AT", "MESSAGE", NULL};
    Table table = table_begin(context, header);
    const json_t *shards = json_object_get(rollout, "shards");
    size_t shown = 0;
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const json_t *shard = json_array_get(shards, i);
        bool troubled = answer_text(shard, "code")[0] != '\0' || answer_bool(shard, "skipped");
        if (only_troubled && !troubled)
            continue;
        shown++;
        const char *sqlstate = answer_text(shard, "sqlstate");
        table_cell(&table, answer_text(shard, "name"));
        table_cell_int(&table, answer_int(shard, "wave"));
        table_cell(&table, answer_bool(shard, "rolled_back") ? "rolled back"
                           : answer_bool(shard, "skipped")   ? "skipped"
                                                             : answer_text(shard, "state"));
        table_cell(&table, arena_printf(context->arena, "%lld/%lld",
                                        (long long)answer_int(shard, "steps_done"),
                                        (long long)answer_int(shard, "steps_total")));
        table_cell(&table, answer_text(shard, "revision"));
        table_cell(&table, arena_printf(context->arena, "%s%s%s%s", answer_text(shard, "message"),
                                        sqlstate[0] == '\0' ? "" : " (", sqlstate,
                                        sqlstate[0] == '\0' ? "" : ")"));
    }
    if (shown > 0)
        table_print(&table);
}

/* "2026-11-30 04:12:31": seconds are enough for people. */
static const char *time_text(CommandContext *context, const char *rfc3339)
{
    char *text = arena_strdup(context->arena, rfc3339);
    if (strlen(text) > 19) {
        text[10] = ' ';
        text[19] = '\0';
    }
    return text;
}

static void log_tell(CommandContext *context, const json_t *rollout)
{
    static const char *const header[] = {"TIME (UTC)", "WHO", "WHAT", "REASON", NULL};
    Table table = table_begin(context, header);
    const json_t *log = json_object_get(rollout, "log");
    for (size_t i = 0; i < json_array_size(log); i++) {
        const json_t *deed = json_array_get(log, i);
        const char *who = answer_text(deed, "who");
        table_cell(&table, time_text(context, answer_text(deed, "time")));
        table_cell(&table, who[0] == '\0' ? "(itself)" : who);
        table_cell(&table, answer_text(deed, "what"));
        table_cell(&table, answer_text(deed, "reason"));
    }
    table_print(&table);
    if (answer_int(rollout, "log_untold") > 0)
        say(context, "and %lld more in the journal", (long long)answer_int(rollout, "log_untold"));
}

static void newcomers_tell(CommandContext *context, const json_t *rollout)
{
    const json_t *names = json_object_get(rollout, "newcomer_names");
    int64_t count = answer_int(rollout, "newcomers");
    AUTO_STR Str list = {0};
    for (size_t i = 0; i < json_array_size(names) && i < 3; i++)
        str_printf(&list, "%s%s", i == 0 ? "" : ", ", json_string_value(json_array_get(names, i)));
    if (count > 0)
        say(context, "newcomers  %lld selected shard%s came after the plan and %s not in it: %s%s",
            (long long)count, count == 1 ? "" : "s", count == 1 ? "is" : "are", str_text(&list),
            count > 3 ? ", ..." : "");
}

static void same_name_tell(CommandContext *context, const json_t *rollout)
{
    int64_t others = answer_int(rollout, "same_name");
    if (others > 0)
        note(context,
             "%lld other plan%s or rollout%s of this name: `pgtide rollout list` has their ids",
             (long long)others, others == 1 ? "" : "s", others == 1 ? "" : "s");
}

static ErrCode run_status(CommandContext *context, Error *err)
{
    const char *name;
    Digest digest;
    bool is_file;
    ErrCode code = rollout_named(context, &name, &digest, &is_file, err);
    AUTO_CLIENT Client *client = NULL;
    ClientAnswer answer;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    if (code == ERR_OK)
        code = rollout_view(client, name, true, 0, 0, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    if (!is_file && strcmp(name, answer_text(answer.result, "id")) != 0)
        same_name_tell(context, answer.result);
    (void)summary_tell(context, answer.result);
    newcomers_tell(context, answer.result);
    (void)waves_tell(context, answer.result, 0);
    gates_tell(context, answer.result);
    (void)activities_tell(context, answer.result, 0);
    shards_tell(context, answer.result, !context_has(context, "shards"));
    log_tell(context, answer.result);
    return ERR_OK;
}

/* On a terminal the wave table is redrawn in place; elsewhere a line is printed whenever something
 * changed. */
typedef struct WatchScreen {
    size_t lines;     /* drawn before, to be overwritten */
    char last[256];   /* the last line printed */
    char waits[1024]; /* who waited for whom when that was printed last */
} WatchScreen;

/* A line for each shard that waits for a lock, when others do or for others. */
static void watch_waits(CommandContext *context, const json_t *rollout, WatchScreen *screen)
{
    const json_t *activities = json_object_get(rollout, "activities");
    AUTO_STR Str lines = {0};
    AUTO_STR Str waits = {0};
    for (size_t i = 0; i < json_array_size(activities); i++) {
        const json_t *activity = json_array_get(activities, i);
        const json_t *blocker = json_object_get(activity, "blocker");
        const char *shard = answer_text(activity, "shard");
        if (!json_is_object(blocker))
            continue;
        str_printf(&waits, "%s %lld ", shard, (long long)answer_int(blocker, "pid"));
        str_printf(&lines, "%s%s: %s", lines.length == 0 ? "" : "\n", shard,
                   answer_text(activity, "text"));
    }
    if (lines.length > 0 && strncmp(str_text(&waits), screen->waits, sizeof screen->waits - 1) != 0)
        say(context, "%s", str_text(&lines));
    snprintf(screen->waits, sizeof screen->waits, "%s", str_text(&waits));
}

static void watch_line(CommandContext *context, const json_t *rollout, WatchScreen *screen)
{
    const json_t *progress = json_object_get(rollout, "progress");
    char line[sizeof screen->last];
    snprintf(line, sizeof line,
             "%s: wave %lld of %lld, %lld of %lld shards done, %lld running, %lld failed, %lld "
             "rolled back",
             answer_text(rollout, "state"), (long long)answer_int(rollout, "wave"),
             (long long)answer_int(rollout, "wave_count"), (long long)answer_int(progress, "done"),
             (long long)answer_int(progress, "total"), (long long)answer_int(progress, "running"),
             (long long)answer_int(progress, "failures"),
             (long long)answer_int(progress, "rolled_back"));
    if (strcmp(line, screen->last) != 0)
        say(context, "%s", line);
    memcpy(screen->last, line, sizeof line);
}

static void watch_draw(CommandContext *context, const json_t *rollout, WatchScreen *screen)
{
    if (context->json) {
        char *text = json_dumps(rollout, JSON_COMPACT);
        str_append(&context->json_result, text == NULL ? "null" : text);
        free(text);
        context_json_flush(context);
        return;
    }
    if (!context->terminal) {
        watch_line(context, rollout, screen);
        watch_waits(context, rollout, screen);
        return;
    }
    if (context->quiet)
        return;
    if (screen->lines > 0)
        printf("\x1b[%zuA\x1b[J", screen->lines);
    fputs("\x1b[?7l", stdout); /* a line that wraps would count twice */
    screen->lines = summary_tell(context, rollout);
    screen->lines += waves_tell(context, rollout, WATCH_WAVES);
    gates_tell(context, rollout);
    size_t gates = json_array_size(json_object_get(rollout, "gates"));
    screen->lines += gates > 0 ? gates + 1 : 0;
    screen->lines += activities_tell(context, rollout, WATCH_ACTIVITIES);
    fputs("\x1b[?7h", stdout);
    fflush(stdout);
}

static bool watch_is_over(const json_t *rollout)
{
    const char *state = answer_text(rollout, "state");
    return answer_bool(rollout, "terminal") ||
           (strcmp(state, "halted") == 0 && !answer_bool(rollout, "stopping"));
}

/* A plan that nobody has started would be watched for ever. */
static ErrCode watch_check(const json_t *rollout, Error *err)
{
    if (!json_is_null(json_object_get(rollout, "started")))
        return ERR_OK;
    err_set(err, ERR_STATE, "%s is a plan that was not started (%s)", answer_text(rollout, "name"),
            answer_bool(rollout, "vetoed") ? "rejected" : answer_text(rollout, "state"));
    err_hint(err, "`pgtide rollout status` shows its approvals, `pgtide rollout start` starts it.");
    return ERR_STATE;
}

/* Whoever stops looking does not stop the rollout. */
static void watch_interrupted(const char *name, const char *state, Error *err)
{
    if (state[0] == '\0')
        err_set(err, ERR_INTERRUPTED, "interrupted before rollout %s was seen", name);
    else
        err_set(err, ERR_INTERRUPTED, "%s was %s when last seen, and goes on unwatched", name,
                state);
    err_hint(err, "`pgtide rollout status %s` shows it, `pgtide rollout pause %s` holds it.", name,
             name);
}

static ErrCode run_watch(CommandContext *context, Error *err)
{
    const char *name;
    Digest digest;
    bool is_file;
    ErrCode code = rollout_named(context, &name, &digest, &is_file, err);
    AUTO_CLIENT Client *client = NULL;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    WatchScreen screen = {0};
    ClientAnswer answer = {0};
    uint64_t seen = 0;
    char state[32] = "";
    while (code == ERR_OK) {
        code = rollout_view(client, name, false, seen, seen == 0 ? 0 : WATCH_WAIT_MS, &answer, err);
        if (code == ERR_INTERRUPTED)
            watch_interrupted(name, state, err);
        if (code != ERR_OK)
            return code;
        code = watch_check(answer.result, err);
        if (code != ERR_OK)
            return code;
        if (answer.revision == seen)
            continue;
        seen = answer.revision;
        snprintf(state, sizeof state, "%s", answer_text(answer.result, "state"));
        watch_draw(context, answer.result, &screen);
        if (watch_is_over(answer.result))
            break;
        (void)poll(NULL, 0, WATCH_PAUSE_MS); /* a signal ends it early */
    }
    if (code != ERR_OK)
        return code;
    code = rollout_view(client, name, true, 0, 0, &answer, err);
    if (code != ERR_OK)
        return code;
    const char *end = answer_text(answer.result, "state");
    const char *reason = answer_text(answer.result, "reason");
    shards_tell(context, answer.result, true);
    say(context, "%s is %s%s%s", answer_text(answer.result, "name"), end,
        reason[0] == '\0' ? "" : ": ", reason);
    context->exit_status = strcmp(end, "succeeded") == 0 ? 0 : 1;
    return ERR_OK;
}

static const CommandOption options[] = {CLIENT_OPTIONS, {0}};
static const CommandOption reason_options[] = {
    {"reason", 0, "TEXT", "kept in the journal"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption start_options[] = {
    {"reason", 0, "TEXT", "kept in the journal"},
    {"dry-run", 0, NULL, "tell whether it could be started now: approvals, shards, bundle"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption status_options[] = {
    {"shards", 0, NULL, "every shard, not only those with an error"},
    CLIENT_OPTIONS,
    {0},
};

#define ROLLOUT_COMMAND(symbol, verb, text, rows, function, more)                                  \
    const CliCommand symbol = {                                                                    \
        .words = "rollout " verb,                                                                  \
        .arguments = "ROLLOUT|FILE.plan",                                                          \
        .arguments_min = 1,                                                                        \
        .arguments_max = 1,                                                                        \
        .summary = text,                                                                           \
        .details = more,                                                                           \
        .options = rows,                                                                           \
        .run = function,                                                                           \
    }

ROLLOUT_COMMAND(cmd_rollout_start, "start", "start an approved plan", start_options, run_start,
                NULL);
ROLLOUT_COMMAND(cmd_rollout_status, "status", "show one rollout", status_options, run_status, NULL);
ROLLOUT_COMMAND(
    cmd_rollout_watch, "watch", "follow a rollout until it is over", options, run_watch,
    "Exit status 0 when it succeeded, 1 when it was halted, rolled back or aborted, 130 "
    "or 143 when it\nwas Ctrl-C or SIGTERM that ended the watching: the rollout goes on.");
ROLLOUT_COMMAND(cmd_rollout_pause, "pause", "start nothing new; jobs finish their step",
                reason_options, run_pause, NULL);
ROLLOUT_COMMAND(cmd_rollout_resume, "resume", "go on after a pause", reason_options, run_resume,
                NULL);
ROLLOUT_COMMAND(
    cmd_rollout_abort, "abort", "stop for good; what is done stays", reason_options, run_abort,
    "An aborted rollout is never resumed. `pgtide rollout rollback` makes a plan to take it back.");

const CliCommand cmd_rollout_retry = {
    .words = "rollout retry",
    .arguments = "ROLLOUT [SHARD...]",
    .arguments_min = 1,
    .arguments_max = 1001,
    .summary = "try failed shards again (all of them, or those named)",
    .details =
        "While the rollout runs or is paused. A shard that was skipped is wanted again when it "
        "is named. What failed counts against the budget again if it fails again.",
    .options = reason_options,
    .run = run_retry,
};
const CliCommand cmd_rollout_skip = {
    .words = "rollout skip",
    .arguments = "ROLLOUT SHARD...",
    .arguments_min = 2,
    .arguments_max = 1001,
    .summary = "leave shards out that have not begun (needs --reason)",
    .details =
        "They stay where they are. `pgtide rollout retry` with their names takes them in again.",
    .options = reason_options,
    .run = run_skip,
};
const CliCommand cmd_rollout_set = {
    .words = "rollout set",
    .arguments = "ROLLOUT SETTING=VALUE",
    .arguments_min = 2,
    .arguments_max = 2,
    .summary = "change caps, budgets or bakes of a rollout at work",
    .details =
        "concurrency.fleet, .host, .cluster, .database and .labels.NAME go down to 1, "
        "budget.fleet, "
        ".wave, .host and .labels.NAME down to 0, and all of them up again to what the approved "
        "plan says; `bake` makes every wave that is not done bake at least so long (30m), and no "
        "shorter than the plan says. Jobs in flight are not touched. A budget below what has "
        "failed "
        "already stops the rollout at once.",
    .options = reason_options,
    .run = run_set,
};
const CliCommand cmd_rollout_list = {
    .words = "rollout list",
    .arguments = "",
    .summary = "list the rollouts, newest first",
    .options = options,
    .run = run_list,
};
