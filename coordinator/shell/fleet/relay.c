#include "relay.h"

#include "coordinator.h"
#include "log.h"
#include "named_limits.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    RELAY_RESEND_MS = 3000,
    RELAY_KEEP_MS = 60 * 1000, /* after the end, for an asker who has missed the answer */
};

typedef struct RelayAgent {
    const char *name;
    Str answer; /* its part of the result; empty until it has answered */
} RelayAgent;

typedef struct RelayTask {
    Arena *arena;
    Uuid id;
    OperatorTask asked;
    RelayAgent *agents;
    size_t agent_count;
    RelayFollow *follow; /* NULL: none */
    RelayEnded *ended;   /* NULL: none */
    const void *about;
    uint64_t after_seq;
    uint64_t sent_ms; /* 0: not yet */
    uint64_t until_ms;
    uint64_t ended_ms; /* 0: not yet */
} RelayTask;

struct Relay {
    Coordinator *coordinator;
    RelayTask tasks[LIMIT_TASKS];
    size_t count;
};

Relay *relay_new(Coordinator *coordinator)
{
    Relay *relay = xcalloc(1, sizeof *relay);
    relay->coordinator = coordinator;
    return relay;
}

static void task_free(RelayTask *task)
{
    for (size_t i = 0; i < task->agent_count; i++)
        str_free(&task->agents[i].answer);
    arena_free(task->arena);
}

void relay_free(Relay *relay)
{
    if (relay == NULL)
        return;
    for (size_t i = 0; i < relay->count; i++)
        task_free(&relay->tasks[i]);
    free(relay);
}

static RelayTask *find(const Relay *relay, const Uuid *request_id)
{
    for (size_t i = 0; i < relay->count; i++)
        if (uuid_equal(&relay->tasks[i].id, request_id))
            return (RelayTask *)&relay->tasks[i];
    return NULL;
}

bool relay_has(const Relay *relay, const Uuid *request_id)
{
    return find(relay, request_id) != NULL;
}

/* --- asking ----------------------------------------------------------------------------------- */

static void send_task(Relay *relay, RelayTask *task)
{
    const CommandSink *sink = &relay->coordinator->sink;
    task->sent_ms = relay->coordinator->now_ms;
    for (size_t i = 0; i < task->agent_count && sink->send != NULL; i++) {
        if (task->agents[i].answer.length > 0)
            continue;
        Command command = {.kind = COMMAND_TASK, .task = task->asked};
        sink->send(sink->context, task->agents[i].name, &command);
    }
}

static ErrCode check_agents(const Relay *relay, const StrList *agents, Error *err)
{
    if (agents->count == 0)
        return err_set(err, ERR_NOT_FOUND, "there is no agent to ask");
    if (agents->count > LIMIT_AGENTS)
        return err_set(err, ERR_LIMIT, "more than %d agents", LIMIT_AGENTS);
    for (size_t i = 0; i < agents->count; i++) {
        const RosterAgent *agent = roster_find(relay->coordinator->roster, agents->items[i]);
        if (agent == NULL || !agent->connected) {
            err_set(err, ERR_CONNECT, "agent %s is not connected", agents->items[i]);
            err_hint(err, "Nothing was done anywhere. Ask again when `pgtide fleet agents` shows "
                          "it.");
            return ERR_CONNECT;
        }
    }
    return ERR_OK;
}

static bool has_ended_before(const Relay *relay, const RelayTask *task)
{
    return task->ended_ms != 0 && task->ended_ms < relay->coordinator->now_ms;
}

static bool is_full(const Relay *relay)
{
    for (size_t i = 0; i < relay->count; i++)
        if (has_ended_before(relay, &relay->tasks[i]))
            return false;
    return relay->count == LIMIT_TASKS;
}

/* Whoever waited has had the answer in the turn in which it came. */
static void make_room(Relay *relay)
{
    size_t oldest = relay->count;
    for (size_t i = 0; i < relay->count; i++)
        if (has_ended_before(relay, &relay->tasks[i]) &&
            (oldest == relay->count || relay->tasks[i].ended_ms < relay->tasks[oldest].ended_ms))
            oldest = i;
    if (relay->count < LIMIT_TASKS || oldest == relay->count)
        return;
    task_free(&relay->tasks[oldest]);
    relay->tasks[oldest] = relay->tasks[--relay->count];
}

ErrCode relay_check(const Relay *relay, ByteSpan envelope, const StrList *agents, Error *err)
{
    ErrCode code = check_agents(relay, agents, err);
    if (code != ERR_OK)
        return code;
    if (envelope.length > LIMIT_TASK_REQUEST_BYTES)
        return err_set(err, ERR_LIMIT, "a request for agents is larger than %d bytes",
                       LIMIT_TASK_REQUEST_BYTES);
    if (is_full(relay)) {
        err_set(err, ERR_BUSY, "agents are at work on %d requests of operators", LIMIT_TASKS);
        return ERR_BUSY;
    }
    return ERR_OK;
}

void relay_begin(Relay *relay, const Uuid *request_id, const OperatorTask *asked,
                 const StrList *agents, uint64_t wait_ms, uint64_t after_seq)
{
    make_room(relay);
    RelayTask *task = &relay->tasks[relay->count++];
    *task = (RelayTask){.arena = arena_new(), .id = *request_id, .after_seq = after_seq};
    task->asked = *asked;
    task->asked.request.bytes =
        arena_memdup(task->arena, asked->request.bytes, asked->request.length);
    task->agents = ARENA_ARRAY(task->arena, RelayAgent, agents->count);
    task->agent_count = agents->count;
    for (size_t i = 0; i < agents->count; i++)
        task->agents[i] = (RelayAgent){.name = arena_strdup(task->arena, agents->items[i])};
    task->until_ms =
        relay->coordinator->now_ms + (wait_ms < LIMIT_TASK_MS ? wait_ms : LIMIT_TASK_MS);
}

void relay_follow(Relay *relay, const Uuid *request_id, RelayFollow *follow, RelayEnded *ended,
                  const void *about)
{
    RelayTask *task = find(relay, request_id);
    task->follow = follow;
    task->ended = ended;
    task->about = about;
}

Arena *relay_arena(const Relay *relay, const Uuid *request_id)
{
    return find(relay, request_id)->arena;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void take_answer(const Relay *relay, const RelayTask *task, RelayAgent *agent,
                        const TaskDone *done)
{
    JsonWriter json = json_writer(&agent->answer);
    json_object_begin(&json);
    json_field_string(&json, "agent", agent->name);
    json_key(&json, "result");
    if (done->code[0] == '\0')
        json_raw(&json, done->json, strlen(done->json));
    else
        json_none(&json);
    json_key(&json, "error");
    if (done->code[0] == '\0') {
        json_none(&json);
    } else {
        json_object_begin(&json);
        json_field_string(&json, "code", done->code);
        json_field_string(&json, "message", done->message);
        json_field_string(&json, "detail", done->detail);
        json_field_string(&json, "hint", done->hint);
        json_object_end(&json);
    }
    json_object_end(&json);
    if (task->ended != NULL)
        task->ended(relay->coordinator, task->about, done);
}

/* It goes into an answer that the coordinator signs: an object, or nothing. */
static bool is_object(const char *text)
{
    json_error_t problem;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    bool object = json_is_object(value);
    json_decref(value);
    return object;
}

static void end_if_answered(const Relay *relay, RelayTask *task)
{
    for (size_t i = 0; i < task->agent_count; i++)
        if (task->agents[i].answer.length == 0)
            return;
    task->ended_ms = relay->coordinator->now_ms;
}

static ErrCode follow(const Relay *relay, const RelayTask *task, const TaskDone *done, Error *err)
{
    if (done->code[0] != '\0')
        return ERR_OK;
    if (!is_object(done->json))
        return err_set(err, ERR_PROTOCOL, "the agent's answer is no JSON object");
    return task->follow == NULL ? ERR_OK : task->follow(relay->coordinator, task->about, done, err);
}

void relay_take(Relay *relay, const char *agent, const TaskDone *done)
{
    RelayTask *task = find(relay, &done->request_id);
    for (size_t i = 0; task != NULL && i < task->agent_count; i++) {
        RelayAgent *asked = &task->agents[i];
        if (strcmp(asked->name, agent) != 0 || asked->answer.length > 0)
            continue;
        Error err;
        TaskDone told = *done;
        if (follow(relay, task, done, &err) != ERR_OK)
            told = (TaskDone){.json = "",
                              .code = err_code_name(err.code),
                              .message = err.message,
                              .detail = err.detail,
                              .hint = err.hint};
        take_answer(relay, task, asked, &told);
        log_event(told.code[0] == '\0' ? LOG_INFO : LOG_WARN, "task.answered", "agent", agent,
                  "code", told.code[0] == '\0' ? NULL : told.code, "message",
                  told.message[0] == '\0' ? NULL : told.message, NULL);
        end_if_answered(relay, task);
    }
}

static void end_by_time(const Relay *relay, RelayTask *task)
{
    static const TaskDone silent = {
        .json = "",
        .code = "UNKNOWN",
        .message = "the agent has not answered in time",
        .detail = "it may have acted, or may still",
        .hint = "Look at what the agent says of its shards before you ask again.",
    };
    for (size_t i = 0; i < task->agent_count; i++)
        if (task->agents[i].answer.length == 0)
            take_answer(relay, task, &task->agents[i], &silent);
    task->ended_ms = relay->coordinator->now_ms;
}

void relay_tick(Relay *relay, uint64_t persisted_seq)
{
    uint64_t now_ms = relay->coordinator->now_ms;
    size_t kept = 0;
    for (size_t i = 0; i < relay->count; i++) {
        RelayTask *task = &relay->tasks[i];
        if (task->ended_ms != 0 && now_ms >= task->ended_ms + RELAY_KEEP_MS) {
            task_free(task);
            continue;
        }
        if (task->ended_ms == 0 && now_ms >= task->until_ms)
            end_by_time(relay, task);
        else if (task->ended_ms == 0 && persisted_seq >= task->after_seq &&
                 (task->sent_ms == 0 || now_ms >= task->sent_ms + RELAY_RESEND_MS))
            send_task(relay, task);
        if (kept != i)
            relay->tasks[kept] = *task;
        kept++;
    }
    relay->count = kept;
}

bool relay_result(const Relay *relay, const Uuid *request_id, Str *json)
{
    const RelayTask *task = find(relay, request_id);
    if (task == NULL || task->ended_ms == 0)
        return false;
    JsonWriter writer = json_writer(json);
    json_object_begin(&writer);
    json_field_array(&writer, "agents");
    for (size_t i = 0; i < task->agent_count; i++)
        json_raw(&writer, task->agents[i].answer.data, task->agents[i].answer.length);
    json_array_end(&writer);
    json_object_end(&writer);
    return true;
}
