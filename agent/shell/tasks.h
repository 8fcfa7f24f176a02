/*
 * What operators ask of this agent beside rollouts. The coordinator passes their requests on as
 * they were signed; whether the operator may ask is judged here, by the trust file, as if there
 * were no coordinator.
 *
 * A request comes again until its answer has arrived. While this process lives it is acted on once,
 * and then answered as before. After a restart it may be acted on again (for as long as it is
 * fresh): a handler must do what was done already a second time without harm, or see that it was.
 */
#pragma once

#include "message.h"
#include "trust.h"

#include "operator.pb-c.h"

typedef struct Tasks Tasks;

/* One request being carried out, until it is ended. */
typedef struct Task {
    Uuid id;
    const Pgtide__V1__Request *request; /* its bytes are checked, its fields are not */
    const PlanRef *plan;                /* where a plan that it names is; NULL = not said */
    const char *who;                    /* the operator's name */
    const char *keyid;
    Arena *arena; /* lives as long as the task */
    Tasks *tasks;
} Task;

typedef void TaskSend(void *context, const TaskDone *done);
/* Ends the task now or later, with task_done() or task_failed(), exactly once. */
typedef void TaskHandler(void *context, Task *task);

Tasks *tasks_new(const Trust *trust, TaskSend *send, void *context); /* returns owned */
void tasks_free(Tasks *tasks); /* NULL-safe; tasks under way are dropped: stop their work before */
void tasks_set_trust(Tasks *tasks, const Trust *trust);

/* Requests with this body go to `handler`, if the signer's role covers `role`. Before the first. */
void tasks_handle(Tasks *tasks, Pgtide__V1__Request__BodyCase body, OperatorRole role,
                  TaskHandler *handler, void *context);
void tasks_take(Tasks *tasks, const OperatorTask *asked, uint64_t now_unix_ms);
size_t tasks_running(const Tasks *tasks);

/* `json`: one object, at most LIMIT_TASK_RESULT_BYTES; copied. The task is gone. */
void task_done(Task *task, const char *json);
void task_failed(Task *task, const Error *err);
