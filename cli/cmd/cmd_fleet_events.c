/* What happened in the fleet, from the coordinator's journal: as a list or as a stream. */
#include "client.h"

#include "proto_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FOLLOW_WAIT_MS = 10000 };

typedef struct Ask {
    Client *client;
    const char *rollout;
    const char *types;
    uint64_t since;
    uint64_t seen; /* the newest number when it was asked last; 0 = answer at once */
} Ask;

static ErrCode read_since(const CommandContext *context, uint64_t *ret_since, Error *err)
{
    const char *text = context_option(context, "since");
    char *end;
    if (text == NULL)
        return ERR_OK;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || value > INT64_MAX || text[0] < '0' || text[0] > '9' || *end != '\0')
        return err_set(err, ERR_USAGE, "--since must be the number of an event, not '%.40s'", text);
    *ret_since = value;
    return ERR_OK;
}

static ErrCode ask_page(Ask *ask, ClientAnswer *ret_answer, Error *err)
{
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_EVENTS;
    view.rollout = proto_from_text(ask->rollout);
    view.types = proto_from_text(ask->types);
    view.since = ask->since;
    view.seen_revision = ask->seen;
    view.wait_ms = ask->seen != 0 ? FOLLOW_WAIT_MS : 0;
    ErrCode code = client_view(ask->client, &view, ret_answer, err);
    if (code != ERR_OK)
        return code;
    ask->since = (uint64_t)answer_int(ret_answer->result, "next");
    ask->seen = answer_bool(ret_answer->result, "more") ? 0 : ret_answer->revision;
    return ERR_OK;
}

/* "wave 2 (rest)", "c1/tenant_3", "12 shards", "gate 'lag'", "agent db1"; '' = nothing of that. */
static const char *subject(CommandContext *context, const json_t *event)
{
    const json_t *wave = json_object_get(event, "wave");
    int64_t count = answer_int(event, "shard_count");
    const char *shard = answer_text(event, "shard");
    if (answer_text(event, "gate")[0] != '\0')
        return arena_printf(context->arena, "gate '%s'", answer_text(event, "gate"));
    if (json_is_object(wave))
        return arena_printf(context->arena, "wave %lld (%s)", (long long)answer_int(wave, "number"),
                            answer_text(wave, "name"));
    if (count > 1)
        return arena_printf(context->arena, "%lld shards", (long long)count);
    if (shard[0] == '\0' && answer_text(event, "agent")[0] != '\0')
        return arena_printf(context->arena, "agent %s", answer_text(event, "agent"));
    return shard;
}

static void say_event(CommandContext *context, const json_t *event)
{
    AUTO_STR Str line = {0};
    const char *parts[] = {
        answer_text(json_object_get(event, "rollout"), "name"),
        subject(context, event),
        answer_text(event, "who"),
        answer_text(event, "code"),
        answer_text(event, "sqlstate"),
    };
    str_printf(&line, "%s  %6lld  %-22s", answer_text(event, "at"),
               (long long)answer_int(event, "seq"), answer_text(event, "type"));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i][0] != '\0')
            str_printf(&line, "  %s%s", i == 2 ? "by " : "", parts[i]);
    }
    if (answer_text(event, "message")[0] != '\0')
        str_printf(&line, "  %s", answer_text(event, "message"));
    say(context, "%s", plain_text(context->arena, str_text(&line)));
}

static void tell(CommandContext *context, const json_t *event)
{
    if (!context->json) {
        say_event(context, event);
        return;
    }
    char *text = json_dumps(event, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (text == NULL)
        die_out_of_memory();
    str_append(&context->json_result, text);
    free(text);
    context_json_flush(context);
}

static ErrCode tell_pages(CommandContext *context, Ask *ask, bool follow, Error *err)
{
    for (;;) {
        ClientAnswer answer;
        ErrCode code = ask_page(ask, &answer, err);
        if (code != ERR_OK)
            return code;
        const json_t *events = json_object_get(answer.result, "events");
        for (size_t i = 0; i < json_array_size(events); i++)
            tell(context, json_array_get(events, i));
        if (fflush(stdout) != 0 || ferror(stdout))
            return ERR_OK; /* who has read so far is gone */
        if (ask->seen != 0 && !follow)
            return ERR_OK;
    }
}

/* --- what webhooks and commands gave up ------------------------------------------------------- */

static void tell_letter(CommandContext *context, const json_t *letter)
{
    if (context->json) {
        tell(context, letter);
        return;
    }
    const json_t *event = json_object_get(letter, "event");
    say(context, "%s",
        plain_text(context->arena,
                   arena_printf(context->arena, "%s  %s  seq %lld  %s  %lld attempts%s: %s",
                                answer_text(letter, "died"), answer_text(letter, "sink"),
                                (long long)answer_int(event, "seq"), answer_text(event, "type"),
                                (long long)answer_int(letter, "attempts"),
                                answer_bool(letter, "wanted") ? ", to be tried again" : "",
                                answer_text(letter, "message"))));
}

static ErrCode tell_dead(CommandContext *context, Client *client, Error *err)
{
    Pgtide__V1__View view = PGTIDE__V1__VIEW__INIT;
    view.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_EVENTS;
    view.dead = true;
    for (;;) {
        ClientAnswer answer;
        ErrCode code = client_view(client, &view, &answer, err);
        if (code != ERR_OK)
            return code;
        const json_t *dead = json_object_get(answer.result, "dead");
        for (size_t i = 0; i < json_array_size(dead); i++)
            tell_letter(context, json_array_get(dead, i));
        if (!answer_bool(answer.result, "more"))
            return ERR_OK;
        view.since = (uint64_t)answer_int(answer.result, "next");
    }
}

static ErrCode retry(CommandContext *context, Client *client, const char *sink, Error *err)
{
    Pgtide__V1__RetrySink message = PGTIDE__V1__RETRY_SINK__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    message.sink = proto_from_text(sink);
    request.body_case = PGTIDE__V1__REQUEST__BODY_RETRY_SINK;
    request.retry_sink = &message;
    ErrCode code = client_request(client, &request, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    say(context, "%lld dead events go to %s again, once each",
        (long long)answer_int(answer.result, "again"), sink);
    return ERR_OK;
}

/* Both are about all there is: nothing else can be asked with them. */
static ErrCode run_dead(CommandContext *context, Error *err)
{
    static const char *const others[] = {"since", "follow", "rollout", "type"};
    const char *sink = context_option(context, "retry");
    const char *asked = sink != NULL ? "retry" : "dead";
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (context_has(context, others[i]))
            return err_set(err, ERR_USAGE, "--%s and --%s can't be said together", asked,
                           others[i]);
    }
    if (sink != NULL && context_has(context, "dead"))
        return err_set(err, ERR_USAGE, "--retry and --dead can't be said together");
    AUTO_CLIENT Client *client = NULL;
    ErrCode code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    return sink != NULL ? retry(context, client, sink, err) : tell_dead(context, client, err);
}

static ErrCode run_events(CommandContext *context, Error *err)
{
    if (context_has(context, "dead") || context_has(context, "retry"))
        return run_dead(context, err);
    StrList types = context_options(context, "type");
    const char *rollout = context_option(context, "rollout");
    Ask ask = {
        .rollout = rollout != NULL ? rollout : "",
        .types = strlist_join(context->arena, &types, ","),
    };
    bool follow = context_has(context, "follow");
    ErrCode code = read_since(context, &ask.since, err);
    AUTO_CLIENT Client *client = NULL;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    ask.client = client;
    if (code == ERR_OK && follow && !context_has(context, "since")) {
        /* From the newest on: the answer's revision is its number. */
        ClientAnswer answer;
        ask.since = INT64_MAX;
        code = ask_page(&ask, &answer, err);
        if (code == ERR_OK)
            ask.since = answer.revision;
    }
    if (code == ERR_OK)
        code = tell_pages(context, &ask, follow, err);
    if (code == ERR_INTERRUPTED && follow) {
        code = ERR_OK; /* the only way it ends */
        context->exit_status = 128 + interrupted_by;
    }
    return code;
}

static const CommandOption options[] = {
    {"since", 0, "SEQ", "those after this number"},
    {"follow", 0, NULL, "go on with what comes, until a signal; without --since only that"},
    {"rollout", 0, "NAME", "those of one rollout, by name or id"},
    {"type", 0, "PATTERN", "those of these types, such as rollout.* or shard.failed; repeatable"},
    {"dead", 0, NULL, "what webhooks and commands gave up, and why"},
    {"retry", 0, "SINK", "send the dead ones of a webhook or command again (role operator)"},
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_fleet_events = {
    .words = "fleet events",
    .arguments = "",
    .summary = "list what happened, or follow it",
    .details = "Events are read from the coordinator's journal, the oldest first; their numbers "
               "have gaps and are for ever. With --json each event is one object a line. "
               "docs/events.md lists the types.",
    .options = options,
    .run = run_events,
};
