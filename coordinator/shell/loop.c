#include "loop.h"

#include "bus.h"
#include "clock.h"
#include "control.h"
#include "gates.h"
#include "named_limits.h"
#include "relay.h"
#include "requests.h"
#include "sinks.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    LOOK_AGAIN_MS = 50, /* how often a view that is waited for is looked at */
    TICK_MS_MAX = 500,
    WAITERS_MAX = 4 * LIMIT_OPERATORS,
};

typedef struct InboxMessage {
    ZMessage message; /* copied into the turn's arena */
} InboxMessage;

/* An answer that tells of what is perhaps not durable yet. */
typedef struct DueReply {
    uint64_t after_seq;
    ZRoute route;
    uint8_t *bytes; /* owned; NULL: `told` is to be shown then */
    size_t length;
    ToldRollout told;
} DueReply;

typedef struct Waiter {
    ZRoute route;
    bool relayed; /* waits for agents, else for a view */
    Uuid request_id;
    WaitingView view;
    char *rollout; /* owned: the view's texts */
    char *select;
    char *shard;
    char *types;
} Waiter;

typedef struct Loop {
    Coordinator *coordinator;
    Bus *bus;
    Control *control;
    uv_loop_t uv;
    uv_idle_t wake; /* runs while something waits for a turn */
    uv_timer_t timer;
    uv_signal_t signals[2];
    Arena *arena; /* of one turn */
    InboxMessage *inbox;
    size_t inbox_count;
    size_t inbox_capacity;
    uint64_t persisted;
    DueReply *replies;
    size_t reply_count;
    size_t reply_capacity;
    Waiter *waiters;
    size_t waiter_count;
    size_t waiter_capacity;
} Loop;

static void turn(uv_idle_t *wake);

static void wake_up(Loop *loop)
{
    if (!uv_is_active((uv_handle_t *)&loop->wake))
        uv_idle_start(&loop->wake, turn);
}

static void on_wake(void *context)
{
    wake_up(context);
}

/* --- callbacks: they only put down ------------------------------------------------------------ */

static void on_message(void *context, const ZMessage *message)
{
    Loop *loop = context;
    if (loop->inbox_count == loop->inbox_capacity) {
        loop->inbox_capacity = loop->inbox_capacity == 0 ? 64 : loop->inbox_capacity * 2;
        loop->inbox = xrealloc(loop->inbox, loop->inbox_capacity * sizeof *loop->inbox);
    }
    InboxMessage *put = &loop->inbox[loop->inbox_count++];
    put->message = *message;
    put->message.user_id = arena_strdup(loop->arena, message->user_id);
    put->message.bytes = arena_memdup(loop->arena, message->bytes, message->length);
    wake_up(loop);
}

static void on_persisted(void *context, uint64_t seq)
{
    Loop *loop = context;
    loop->persisted = seq;
    wake_up(loop);
}

static void on_timer(uv_timer_t *timer)
{
    wake_up(timer->data);
}

static void on_signal(uv_signal_t *handle, int number)
{
    Loop *loop = handle->data;
    log_event(LOG_INFO, "coordinator.stopping", "signal", number == SIGTERM ? "SIGTERM" : "SIGINT",
              NULL);
    uv_stop(&loop->uv);
}

/* --- answers ---------------------------------------------------------------------------------- */

static DueReply *add_due_reply(Loop *loop, const ZRoute *route)
{
    if (loop->reply_count == loop->reply_capacity) {
        loop->reply_capacity = loop->reply_capacity == 0 ? 16 : loop->reply_capacity * 2;
        loop->replies = xrealloc(loop->replies, loop->reply_capacity * sizeof *loop->replies);
    }
    DueReply *due = &loop->replies[loop->reply_count++];
    *due = (DueReply){.after_seq = journal_last_seq(loop->coordinator->journal), .route = *route};
    return due;
}

static void reply_when_durable(Loop *loop, const ZRoute *route, const RequestResult *result)
{
    if (result->outcome == REQUEST_WHEN_DURABLE) {
        add_due_reply(loop, route)->told = result->told;
        return;
    }
    if (result->bytes == NULL)
        return;
    if (journal_last_seq(loop->coordinator->journal) <= loop->persisted) {
        bus_reply(loop->bus, route, result->bytes, result->length);
        return;
    }
    DueReply *due = add_due_reply(loop, route);
    due->bytes = xcalloc(1, result->length);
    due->length = result->length;
    memcpy(due->bytes, result->bytes, result->length);
}

static void send_reply(Loop *loop, const DueReply *due)
{
    RequestResult result = {.bytes = due->bytes, .length = due->length};
    if (due->bytes == NULL)
        requests_tell_rollout(loop->coordinator, &due->told, loop->arena, &result);
    if (result.bytes != NULL)
        bus_reply(loop->bus, &due->route, result.bytes, result.length);
}

static void send_due_replies(Loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->reply_count; i++) {
        DueReply *due = &loop->replies[i];
        if (due->after_seq > loop->persisted) {
            loop->replies[kept++] = *due;
            continue;
        }
        send_reply(loop, due);
        free(due->bytes);
    }
    loop->reply_count = kept;
}

static char *copy_text(const char *text)
{
    return xstrdup(text != NULL ? text : "");
}

static Waiter *add_waiter(Loop *loop, const ZRoute *route)
{
    if (loop->waiter_count >= WAITERS_MAX)
        return NULL; /* the asker's time runs out, and it asks again */
    if (loop->waiter_count == loop->waiter_capacity) {
        loop->waiter_capacity = loop->waiter_capacity == 0 ? 16 : loop->waiter_capacity * 2;
        loop->waiters = xrealloc(loop->waiters, loop->waiter_capacity * sizeof *loop->waiters);
    }
    Waiter *waiter = &loop->waiters[loop->waiter_count++];
    *waiter = (Waiter){.route = *route};
    return waiter;
}

static void wait_for_view(Loop *loop, const ZRoute *route, const WaitingView *view)
{
    Waiter *waiter = add_waiter(loop, route);
    if (waiter == NULL)
        return;
    waiter->view = *view;
    waiter->rollout = copy_text(view->request.rollout);
    waiter->select = copy_text(view->request.select);
    waiter->shard = copy_text(view->request.shard);
    waiter->types = copy_text(view->request.types);
    waiter->view.request.rollout = waiter->rollout;
    waiter->view.request.select = waiter->select;
    waiter->view.request.shard = waiter->shard;
    waiter->view.request.types = waiter->types;
}

static void wait_for_agents(Loop *loop, const ZRoute *route, const Uuid *request_id)
{
    Waiter *waiter = add_waiter(loop, route);
    if (waiter == NULL)
        return;
    waiter->relayed = true;
    waiter->request_id = *request_id;
}

static void waiter_done(Waiter *waiter)
{
    free(waiter->rollout);
    free(waiter->select);
    free(waiter->shard);
    free(waiter->types);
}

static void look_at_waiters(Loop *loop)
{
    size_t kept = 0;
    for (size_t i = 0; i < loop->waiter_count; i++) {
        Waiter *waiter = &loop->waiters[i];
        RequestResult result;
        bool ready = waiter->relayed ? requests_tell_relayed(loop->coordinator, &waiter->request_id,
                                                             loop->arena, &result)
                                     : requests_look_again(loop->coordinator, &waiter->view,
                                                           loop->arena, &result);
        if (!ready) {
            loop->waiters[kept++] = *waiter;
            continue;
        }
        reply_when_durable(loop, &waiter->route, &result);
        waiter_done(waiter);
    }
    loop->waiter_count = kept;
}

/* --- the turn --------------------------------------------------------------------------------- */

static void take_message(Loop *loop, const ZMessage *message)
{
    BusPeer peer;
    if (!bus_peer(loop->bus, message, &peer))
        return;
    if (peer.agent != NULL) {
        bus_take_report(loop->bus, peer.agent, message);
        return;
    }
    RequestResult result;
    requests_handle(loop->coordinator, peer.keyid, message->bytes, message->length, loop->arena,
                    &result);
    if (loop->coordinator->admissions_changed)
        bus_renew_admissions(loop->bus);
    if (result.outcome == REQUEST_WAIT)
        wait_for_view(loop, &message->route, &result.waiting);
    else if (result.outcome == REQUEST_RELAYED)
        wait_for_agents(loop, &message->route, &result.relayed);
    else
        reply_when_durable(loop, &message->route, &result);
}

static void arm_timer(Loop *loop)
{
    const Coordinator *coordinator = loop->coordinator;
    uint64_t wait_ms = coordinator->settings.heartbeat_ms / 4;
    bool decides = !coordinator_is_read_only(coordinator);
    uint64_t next_ms = decides ? rollouts_next_timer(coordinator->rollouts) : 0;
    if (wait_ms > TICK_MS_MAX)
        wait_ms = TICK_MS_MAX;
    if (loop->waiter_count > 0 && wait_ms > LOOK_AGAIN_MS)
        wait_ms = LOOK_AGAIN_MS;
    if (next_ms != 0 && next_ms < coordinator->now_ms + wait_ms)
        wait_ms = next_ms > coordinator->now_ms ? next_ms - coordinator->now_ms : 0;
    next_ms = decides ? sinks_next_timer(coordinator->sinks) : 0;
    if (next_ms != 0 && next_ms < coordinator->now_ms + wait_ms)
        wait_ms = next_ms > coordinator->now_ms ? next_ms - coordinator->now_ms : 0;
    /* At once would spin without poll: an overdue timer waits a millisecond. */
    uv_timer_start(&loop->timer, on_timer, wait_ms > 0 ? wait_ms : 1, 0);
}

static void turn(uv_idle_t *wake)
{
    Loop *loop = wake->data;
    Coordinator *coordinator = loop->coordinator;
    uv_idle_stop(wake);
    coordinator->now_ms = clock_monotonic_ms();
    coordinator->unix_ms = clock_unix_ms();
    rollouts_persisted(coordinator->rollouts, loop->persisted);
    for (size_t i = 0; i < loop->inbox_count; i++)
        take_message(loop, &loop->inbox[i].message);
    loop->inbox_count = 0;
    bus_tick(loop->bus);
    if (!coordinator_is_read_only(coordinator))
        rollouts_tick(coordinator->rollouts);
    gates_take(coordinator->gates);
    relay_tick(coordinator->relay, loop->persisted);
    if (!coordinator_is_read_only(coordinator))
        sinks_tick(coordinator->sinks);
    look_at_waiters(loop);
    send_due_replies(loop);
    arena_reset(loop->arena);
    arm_timer(loop);
}

/* --- from start to end ------------------------------------------------------------------------ */

static void handles_init(Loop *loop)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    uv_idle_init(&loop->uv, &loop->wake);
    loop->wake.data = loop;
    uv_timer_init(&loop->uv, &loop->timer);
    loop->timer.data = loop;
    for (size_t i = 0; i < 2; i++) {
        uv_signal_init(&loop->uv, &loop->signals[i]);
        loop->signals[i].data = loop;
        uv_signal_start(&loop->signals[i], on_signal, numbers[i]);
    }
}

static ErrCode loop_start(Loop *loop, void *zmq, Error *err)
{
    Coordinator *coordinator = loop->coordinator;
    loop->persisted = journal_last_seq(coordinator->journal); /* all that was replayed */
    coordinator->wake = on_wake;
    coordinator->wake_context = loop;
    ErrCode code = bus_open(coordinator, &loop->uv, zmq, on_message, loop, &loop->bus, err);
    if (code == ERR_OK)
        code = coordinator_start(coordinator, &loop->uv, on_persisted, loop, err);
    if (code == ERR_OK)
        code = control_open(coordinator, &loop->uv, &loop->control, err);
    if (code != ERR_OK)
        return code;
    char fleet[UUID_TEXT_SIZE];
    uuid_format(trust_fleet_id(coordinator->trust), fleet);
    log_event(LOG_INFO, "coordinator.ready", "name", coordinator->settings.name, "endpoint",
              bus_endpoint(loop->bus), "fleet", fleet, "epoch",
              LOG_UINT(journal_epoch(coordinator->journal)), "agents",
              LOG_UINT(roster_count(coordinator->roster)), "rollouts",
              LOG_UINT(rollouts_count(coordinator->rollouts)), "records", LOG_UINT(loop->persisted),
              NULL);
    wake_up(loop);
    return ERR_OK;
}

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void loop_end(Loop *loop)
{
    uv_idle_stop(&loop->wake); /* no more turns: they need the bus */
    uv_timer_stop(&loop->timer);
    bus_free(loop->bus);
    control_stop(loop->control);
    gates_free(loop->coordinator->gates); /* while its handles can be closed */
    loop->coordinator->gates = NULL;
    loop->coordinator->wake = NULL;
    sinks_stop(loop->coordinator->sinks);
    journal_close(loop->coordinator->journal); /* what was decided is on disk */
    loop->coordinator->journal = NULL;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    uv_walk(&loop->uv, close_handle, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    control_free(loop->control);
    for (size_t i = 0; i < loop->reply_count; i++)
        free(loop->replies[i].bytes);
    for (size_t i = 0; i < loop->waiter_count; i++)
        waiter_done(&loop->waiters[i]);
    free(loop->replies);
    free(loop->waiters);
    free(loop->inbox);
    arena_free(loop->arena);
}

ErrCode loop_run(Coordinator *coordinator, Error *err)
{
    Loop loop = {.coordinator = coordinator, .arena = arena_new()};
    void *zmq = zmq_ctx_new();
    if (zmq == NULL || uv_loop_init(&loop.uv) != 0)
        die_out_of_memory();
    zmq_ctx_set(zmq, ZMQ_MAX_SOCKETS, 64); /* ours: one ROUTER and the ZAP handler */
    handles_init(&loop);
    ErrCode code = loop_start(&loop, zmq, err);
    if (code == ERR_OK)
        uv_run(&loop.uv, UV_RUN_DEFAULT);
    loop_end(&loop);
    zmq_ctx_term(zmq);
    return code;
}
