#include "tasks.h"

#include "log.h"
#include "named_limits.h"
#include "proto_read.h"

#include <stdlib.h>
#include <string.h>

enum {
    TASKS_HANDLERS_MAX = 16,
    TASKS_ANSWERS_MAX = 64, /* kept for those who ask again */
};

typedef struct Handler {
    Pgtide__V1__Request__BodyCase body;
    OperatorRole role;
    TaskHandler *handle;
    void *context;
} Handler;

typedef struct Answer {
    Arena *arena; /* NULL: none */
    TaskDone done;
} Answer;

struct Tasks {
    const Trust *trust;
    TaskSend *send;
    void *context;
    Handler handlers[TASKS_HANDLERS_MAX];
    size_t handler_count;
    Task *running[LIMIT_TASKS];
    size_t running_count;
    Answer answers[TASKS_ANSWERS_MAX]; /* a ring */
    size_t answer_next;
};

Tasks *tasks_new(const Trust *trust, TaskSend *send, void *context)
{
    Tasks *tasks = xcalloc(1, sizeof *tasks);
    tasks->trust = trust;
    tasks->send = send;
    tasks->context = context;
    return tasks;
}

static void free_task(Task *task)
{
    arena_free(task->arena); /* it lives there itself */
}

void tasks_free(Tasks *tasks)
{
    if (tasks == NULL)
        return;
    for (size_t i = 0; i < tasks->running_count; i++)
        free_task(tasks->running[i]);
    for (size_t i = 0; i < TASKS_ANSWERS_MAX; i++)
        arena_free(tasks->answers[i].arena);
    free(tasks);
}

void tasks_set_trust(Tasks *tasks, const Trust *trust)
{
    tasks->trust = trust;
}

void tasks_handle(Tasks *tasks, Pgtide__V1__Request__BodyCase body, OperatorRole role,
                  TaskHandler *handler, void *context)
{
    if (tasks->handler_count == TASKS_HANDLERS_MAX)
        abort(); /* a defect: the table is written in the sources */
    tasks->handlers[tasks->handler_count++] = (Handler){body, role, handler, context};
}

size_t tasks_running(const Tasks *tasks)
{
    return tasks->running_count;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void keep_answer(Tasks *tasks, const TaskDone *done)
{
    Answer *answer = &tasks->answers[tasks->answer_next++ % TASKS_ANSWERS_MAX];
    arena_free(answer->arena);
    answer->arena = arena_new();
    answer->done = (TaskDone){
        .request_id = done->request_id,
        .json = arena_strdup(answer->arena, done->json),
        .code = arena_strdup(answer->arena, done->code),
        .message = arena_strdup(answer->arena, done->message),
        .detail = arena_strdup(answer->arena, done->detail),
        .hint = arena_strdup(answer->arena, done->hint),
    };
}

static const TaskDone *find_answer(const Tasks *tasks, const Uuid *id)
{
    for (size_t i = 0; i < TASKS_ANSWERS_MAX; i++)
        if (tasks->answers[i].arena != NULL && uuid_equal(&tasks->answers[i].done.request_id, id))
            return &tasks->answers[i].done;
    return NULL;
}

static void end(Task *task, const TaskDone *done)
{
    Tasks *tasks = task->tasks;
    size_t kept = 0;
    for (size_t i = 0; i < tasks->running_count; i++)
        if (tasks->running[i] != task)
            tasks->running[kept++] = tasks->running[i];
    tasks->running_count = kept;
    keep_answer(tasks, done);
    tasks->send(tasks->context, find_answer(tasks, &task->id));
    free_task(task);
}

static TaskDone failure(const Uuid *id, const Error *err)
{
    return (TaskDone){
        .request_id = *id,
        .json = "",
        .code = err_code_name(err->code),
        .message = err->message,
        .detail = err->detail,
        .hint = err->hint,
    };
}

void task_done(Task *task, const char *json)
{
    if (strlen(json) > LIMIT_TASK_RESULT_BYTES) {
        Error err;
        err_set(&err, ERR_LIMIT, "it is done, but its result is larger than %d bytes",
                LIMIT_TASK_RESULT_BYTES);
        task_failed(task, &err);
        return;
    }
    log_event(LOG_INFO, "task.done", "operator", task->who, NULL);
    TaskDone done = {
        .request_id = task->id, .json = json, .code = "", .message = "", .detail = "", .hint = ""};
    end(task, &done);
}

void task_failed(Task *task, const Error *err)
{
    log_failure(LOG_WARN, "task.failed", err, "operator", task->who, NULL);
    TaskDone done = failure(&task->id, err);
    end(task, &done);
}

/* --- requests --------------------------------------------------------------------------------- */

static const Handler *handler_of(const Tasks *tasks, Pgtide__V1__Request__BodyCase body)
{
    for (size_t i = 0; i < tasks->handler_count; i++)
        if (tasks->handlers[i].body == body)
            return &tasks->handlers[i];
    return NULL;
}

static ErrCode check_fresh(uint64_t created_unix_ms, uint64_t now_unix_ms, Error *err)
{
    /* Longer than the coordinator's own look at it: it is repeated while the agent is at work. */
    if (created_unix_ms + LIMIT_TASK_MS + LIMIT_CLOCK_SKEW_MS < now_unix_ms ||
        created_unix_ms > now_unix_ms + LIMIT_CLOCK_SKEW_MS)
        return err_set(err, ERR_STALE, "the operator's request is of another time");
    return ERR_OK;
}

/* The operator's signature, fleet and role. `task->id` is set as soon as it is known. */
static ErrCode open_request(Tasks *tasks, ByteSpan envelope, uint64_t now_unix_ms, Task *task,
                            const Handler **ret_handler, Error *err)
{
    const uint8_t *payload;
    size_t length;
    Signers *signers = ARENA_NEW(task->arena, Signers);
    ProtobufCMessage *message;
    Uuid fleet;
    ErrCode code =
        envelope_open(task->arena, envelope.bytes, envelope.length, MESSAGE_REQUEST,
                      trust_lookup_operator, (void *)tasks->trust, &payload, &length, signers, err);
    if (code == ERR_OK)
        code = proto_unpack(task->arena, &pgtide__v1__request__descriptor, payload, length,
                            UNKNOWN_FIELDS_REFUSE, &message, err);
    if (code != ERR_OK)
        return code;
    task->request = (const Pgtide__V1__Request *)message;
    code = proto_uuid(&task->request->request_id, "request id", &task->id, err);
    if (code == ERR_OK)
        code = proto_uuid(&task->request->fleet_id, "fleet id", &fleet, err);
    if (code == ERR_OK && !uuid_equal(&fleet, trust_fleet_id(tasks->trust)))
        code = err_set(err, ERR_REFUSED, "the request is for another fleet");
    if (code == ERR_OK && trust_is_expired(tasks->trust, now_unix_ms))
        code = err_set(err, ERR_STALE, "the trust file has expired");
    if (code == ERR_OK)
        code = check_fresh(task->request->created_unix_ms, now_unix_ms, err);
    if (code != ERR_OK)
        return code;
    const Handler *handler = handler_of(tasks, task->request->body_case);
    if (handler == NULL)
        return err_set(err, ERR_PROTOCOL, "a request that this agent does not know");
    const TrustOperator *signer =
        signers->count == 1 ? trust_find_operator(tasks->trust, signers->items[0].keyid) : NULL;
    if (signer == NULL || !operator_role_covers(signer->role, handler->role)) {
        err_set(err, ERR_REFUSED, "the operator may not ask this of an agent");
        err_detail(err, "it needs role %s by this agent's trust file, version %llu",
                   operator_role_name(handler->role),
                   (unsigned long long)trust_version(tasks->trust));
        return ERR_REFUSED;
    }
    /* The trust file may be replaced while the task is at work. */
    task->who = arena_strdup(task->arena, signer->key.name);
    task->keyid = arena_strdup(task->arena, signer->key.keyid);
    *ret_handler = handler;
    return ERR_OK;
}

static bool is_running(const Tasks *tasks, const Uuid *id)
{
    for (size_t i = 0; i < tasks->running_count; i++)
        if (uuid_equal(&tasks->running[i]->id, id))
            return true;
    return false;
}

static void refuse(Tasks *tasks, const Task *task, const Error *err)
{
    log_failure(LOG_WARN, "task.refused", err, NULL);
    TaskDone done = failure(&task->id, err);
    if (!uuid_is_nil(&task->id))
        tasks->send(tasks->context, &done);
}

void tasks_take(Tasks *tasks, const OperatorTask *asked, uint64_t now_unix_ms)
{
    Arena *arena = arena_new();
    Task *task = ARENA_NEW(arena, Task);
    const Handler *handler = NULL;
    Error err;
    *task = (Task){.arena = arena, .tasks = tasks};
    if (asked->has_plan)
        task->plan = arena_memdup(arena, &asked->plan, sizeof asked->plan);
    ErrCode code = open_request(tasks, asked->request, now_unix_ms, task, &handler, &err);
    const TaskDone *answer = code == ERR_OK ? find_answer(tasks, &task->id) : NULL;
    bool again = code == ERR_OK && is_running(tasks, &task->id);
    if (code == ERR_OK && !again && answer == NULL && tasks->running_count == LIMIT_TASKS)
        code = err_set(&err, ERR_BUSY, "this agent is at work on %d requests", LIMIT_TASKS);
    if (code != ERR_OK)
        refuse(tasks, task, &err);
    else if (answer != NULL)
        tasks->send(tasks->context, answer);
    if (code != ERR_OK || again || answer != NULL) {
        free_task(task);
        return;
    }
    tasks->running[tasks->running_count++] = task;
    log_event(LOG_INFO, "task.begun", "operator", task->who, NULL);
    handler->handle(handler->context, task);
}
