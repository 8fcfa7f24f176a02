#include "bus.h"

#include "clock.h"
#include "command_guard.h"
#include "digest.h"
#include "log.h"
#include "message_codec.h"
#include "zsock.h"

#include <stdlib.h>
#include <string.h>

enum {
    BUS_TICK_MS = 250,
    BUS_HELLO_MS = 2000,     /* between two HELLOs without a Welcome */
    BUS_HEARTBEAT_MS = 5000, /* until the coordinator says another */
    BUS_HEARTBEAT_MS_MIN = 20,
    BUS_REOPEN_MS_MIN = 5000, /* silence after which the socket is opened anew */
    BUS_REOPEN_HEARTBEATS = 4,
    BUS_HELLO_HEARTBEATS = 2, /* silence after which the route may have changed */
    BUS_HELD_MAX = 1000,      /* commands that wait for an epoch to be durable */
    BUS_JOBS_PER_REPORT = 100,
    BUS_PATIENCE_MS = 50,
};

typedef struct HeldCommand {
    void *bytes;
    size_t length;
} HeldCommand;

struct Bus {
    BusSettings settings;
    ZSock *sock;
    CommandGuard guard;
    uint64_t started_ms;
    uint64_t sequence;
    uv_timer_t tick;
    uv_prepare_t flush;
    uv_timer_t patience; /* runs while progress waits to be told */
    bool welcome;
    uint64_t heard_ms;
    uint64_t hello_ms; /* when it was said last; 0 = say it now */
    uint64_t heartbeat_said_ms;
    uint64_t reopened_ms;
    uint64_t heartbeat_ms;
    uint64_t silence_deadline_ms;
    bool raising_epoch;
    HeldCommand *held;
    size_t held_count;
    Arena *jobs_arena; /* of the reports that wait */
    JobReport *jobs;
    size_t job_count;
    size_t job_capacity;
    int open_handles;
};

/* --- sending ---------------------------------------------------------------------------------- */

static uint64_t bus_uptime_ms(const Bus *bus)
{
    return clock_monotonic_ms() - bus->started_ms;
}

ErrCode bus_send(Bus *bus, Report *report, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    report->fleet_id = *trust_fleet_id(bus->settings.trust);
    report->agent = bus->settings.agent;
    report->agent_boot = bus->guard.boot;
    report->sequence = ++bus->sequence;
    report->uptime_ms = bus_uptime_ms(bus);
    report->epoch = ledger_epoch(bus->settings.ledger);
    report->sent_unix_ms = clock_unix_ms();
    uint8_t *payload, *bytes;
    size_t payload_length, length;
    ErrCode code = report_encode(arena, report, &payload, &payload_length, err);
    if (code == ERR_OK)
        code = envelope_sign(arena, MESSAGE_REPORT, payload, payload_length, &bus->settings.key, 1,
                             &bytes, &length, err);
    if (code == ERR_OK)
        code = zsock_send(bus->sock, NULL, bytes, length, err);
    return code;
}

static void send_or_log(Bus *bus, Report *report, const char *what)
{
    Error err;
    ErrCode code = bus_send(bus, report, &err);
    if (code != ERR_OK && code != ERR_BUSY && code != ERR_CONNECT)
        log_failure(LOG_ERROR, "bus.not_sent", &err, "report", what, NULL);
}

static void say_hello(Bus *bus, uint64_t now_ms)
{
    Report report = {.kind = REPORT_HELLO};
    report.hello = (Hello){.version = PGTIDE_VERSION, .host = bus->settings.host};
    report.hello.clusters =
        (ClusterInfo *)bus->settings.clusters(bus->settings.context, &report.hello.cluster_count);
    bus->hello_ms = now_ms;
    send_or_log(bus, &report, "hello");
}

static void say_heartbeat(Bus *bus, uint64_t now_ms)
{
    Report report = {.kind = REPORT_HEARTBEAT};
    report.heartbeat.jobs_running = bus->settings.jobs_running(bus->settings.context);
    bus->heartbeat_said_ms = now_ms;
    send_or_log(bus, &report, "heartbeat");
}

static void refuse(Bus *bus, uint64_t sequence, const Error *err)
{
    log_failure(LOG_WARN, "command.refused", err, "sequence", LOG_UINT(sequence), NULL);
    Report report = {.kind = REPORT_REFUSAL};
    report.refusal =
        (Refusal){.sequence = sequence, .code = err_code_name(err->code), .message = err->message};
    send_or_log(bus, &report, "refusal");
}

/* --- job reports ------------------------------------------------------------------------------ */

static void copy_report(Arena *arena, const JobReport *from, JobReport *to)
{
    *to = *from;
    to->revision = arena_strdup(arena, from->revision);
    to->rows = strlist_copy(arena, &from->rows);
    to->code = arena_strdup(arena, from->code);
    to->sqlstate = arena_strdup(arena, from->sqlstate);
    to->message = arena_strdup(arena, from->message);
    to->hint = arena_strdup(arena, from->hint);
    to->activity = activity_copy(arena, &from->activity);
    to->facts = facts_clone(arena, &from->facts);
    if (from->has_backup)
        to->backup.path = arena_strdup(arena, from->backup.path);
}

void bus_report_job(Bus *bus, const JobReport *report)
{
    for (size_t i = 0; i < bus->job_count; i++) {
        JobReport *waiting = &bus->jobs[i];
        if (uuid_equal(&waiting->shard, &report->shard) &&
            uuid_equal(&waiting->rollout_id, &report->rollout_id) &&
            waiting->generation == report->generation && waiting->attempt == report->attempt) {
            copy_report(bus->jobs_arena, report, waiting);
            return;
        }
    }
    if (bus->job_count == bus->job_capacity) {
        bus->job_capacity = bus->job_capacity == 0 ? 64 : bus->job_capacity * 2;
        bus->jobs = xrealloc(bus->jobs, bus->job_capacity * sizeof(*bus->jobs));
    }
    copy_report(bus->jobs_arena, report, &bus->jobs[bus->job_count++]);
}

static void bus_flush(Bus *bus)
{
    for (size_t first = 0; first < bus->job_count; first += BUS_JOBS_PER_REPORT) {
        size_t left = bus->job_count - first;
        Report report = {.kind = REPORT_JOBS};
        report.jobs.items = &bus->jobs[first];
        report.jobs.count = left < BUS_JOBS_PER_REPORT ? left : BUS_JOBS_PER_REPORT;
        send_or_log(bus, &report, "jobs");
    }
    if (bus->job_count > 0)
        arena_reset(bus->jobs_arena);
    bus->job_count = 0;
    uv_timer_stop(&bus->patience);
}

/* The coordinator decides by these; what else a job tells is only shown. */
static bool is_urgent(const JobReport *report)
{
    switch (report->phase) {
    case PHASE_ACCEPTED:
    case PHASE_CONNECTING:
    case PHASE_CLAIMING:
    case PHASE_BACKUP:
    case PHASE_STEP:
        return report->outcome != OUTCOME_UNSPECIFIED || report->code[0] != '\0';
    default:
        return true;
    }
}

static void on_patience_over(uv_timer_t *timer)
{
    bus_flush(timer->data);
}

/* A signature for each phase of each job would cost both sides more than the rest of the job: mere
 * progress waits a moment for company. */
static void on_prepare(uv_prepare_t *prepare)
{
    Bus *bus = prepare->data;
    bool urgent = false;
    for (size_t i = 0; i < bus->job_count; i++)
        urgent = urgent || is_urgent(&bus->jobs[i]);
    if (urgent)
        bus_flush(bus);
    else if (bus->job_count > 0 && !uv_is_active((uv_handle_t *)&bus->patience))
        uv_timer_start(&bus->patience, on_patience_over, BUS_PATIENCE_MS, 0);
}

/* --- receiving -------------------------------------------------------------------------------- */

static void process(Bus *bus, const void *bytes, size_t length);

static void hold(Bus *bus, const void *bytes, size_t length)
{
    if (bus->held_count == BUS_HELD_MAX) {
        log_event(LOG_WARN, "bus.dropped", "reason", "too many commands wait for an epoch", NULL);
        return;
    }
    if (bus->held == NULL)
        bus->held = xcalloc(BUS_HELD_MAX, sizeof(*bus->held));
    HeldCommand *held = &bus->held[bus->held_count++];
    *held = (HeldCommand){.bytes = xcalloc(1, length + 1), .length = length};
    memcpy(held->bytes, bytes, length);
}

static void on_epoch_durable(void *context)
{
    Bus *bus = context;
    size_t count = bus->held_count;
    HeldCommand *held = bus->held;
    bus->held = NULL;
    bus->held_count = 0;
    bus->raising_epoch = false;
    for (size_t i = 0; i < count; i++) {
        if (bus->raising_epoch)
            hold(bus, held[i].bytes, held[i].length);
        else
            process(bus, held[i].bytes, held[i].length);
        free(held[i].bytes);
    }
    free(held);
}

static void raise_epoch(Bus *bus, const Command *command, const char *keyid, const void *bytes,
                        size_t length)
{
    Error err;
    if (ledger_epoch_seen(bus->settings.ledger, command->epoch, keyid, on_epoch_durable, bus,
                          &err) != ERR_OK) {
        refuse(bus, command->sequence, &err);
        return;
    }
    log_event(LOG_INFO, "epoch.raised", "epoch", LOG_UINT(command->epoch), "coordinator", keyid,
              NULL);
    bus->raising_epoch = true;
    hold(bus, bytes, length);
}

static void take_welcome(Bus *bus, const Welcome *welcome)
{
    if (!bus->welcome)
        log_event(LOG_INFO, "coordinator.welcome", "epoch",
                  LOG_UINT(ledger_epoch(bus->settings.ledger)), NULL);
    bus->welcome = true;
    bus->heartbeat_ms =
        welcome->heartbeat_ms < BUS_HEARTBEAT_MS_MIN ? BUS_HEARTBEAT_MS : welcome->heartbeat_ms;
    bus->silence_deadline_ms = welcome->silence_deadline_ms;
    uint64_t tick = bus->heartbeat_ms / 2 < BUS_TICK_MS ? bus->heartbeat_ms / 2 : BUS_TICK_MS;
    uv_timer_set_repeat(&bus->tick, tick);
}

static void process(Bus *bus, const void *bytes, size_t length)
{
    AUTO_ARENA Arena *arena = arena_new();
    CommandClock clock = {
        .uptime_ms = bus_uptime_ms(bus),
        .unix_ms = clock_unix_ms(),
        .epoch = ledger_epoch(bus->settings.ledger),
    };
    Command command;
    const char *keyid;
    uint64_t sequence;
    Error err;
    if (command_guard_check(&bus->guard, arena, &clock, bytes, length, &command, &keyid, &sequence,
                            &err) != ERR_OK) {
        refuse(bus, sequence, &err);
        return;
    }
    if (command.epoch > clock.epoch) {
        raise_epoch(bus, &command, keyid, bytes, length);
        return;
    }
    command_guard_accept(&bus->guard, &command, keyid);
    bus->heard_ms = clock_monotonic_ms();
    if (command.kind == COMMAND_WELCOME)
        take_welcome(bus, &command.welcome);
    if (command.kind != COMMAND_HEARTBEAT)
        bus->settings.on_command(bus->settings.context, &command);
}

static void on_message(void *context, const ZMessage *message)
{
    Bus *bus = context;
    if (bus->raising_epoch)
        hold(bus, message->bytes, message->length);
    else
        process(bus, message->bytes, message->length);
}

/* --- supervision ------------------------------------------------------------------------------ */

static void on_reopen(void *context, unsigned attempt)
{
    Bus *bus = context;
    if (attempt > 1)
        log_event(LOG_WARN, "coordinator.silent", "attempt", LOG_UINT(attempt), NULL);
    bus->welcome = false;
    say_hello(bus, clock_monotonic_ms());
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static void on_tick(uv_timer_t *timer)
{
    Bus *bus = timer->data;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t silent_ms = now_ms - bus->heard_ms;
    uint64_t reopen_ms = later_of(BUS_REOPEN_MS_MIN, BUS_REOPEN_HEARTBEATS * bus->heartbeat_ms);
    if (bus->welcome && silent_ms > BUS_HELLO_HEARTBEATS * bus->heartbeat_ms) {
        bus->welcome = false; /* it may know this agent by another route, or not at all */
        bus->hello_ms = 0;
    }
    if (silent_ms > reopen_ms && now_ms - bus->reopened_ms > reopen_ms) {
        bus->reopened_ms = now_ms;
        zsock_reopen(bus->sock);
    }
    if (!bus->welcome && now_ms - bus->hello_ms >= BUS_HELLO_MS)
        say_hello(bus, now_ms);
    else if (bus->welcome && now_ms - bus->heartbeat_said_ms >= bus->heartbeat_ms)
        say_heartbeat(bus, now_ms);
}

/* --- life ------------------------------------------------------------------------------------- */

static void start_handles(Bus *bus)
{
    uv_timer_init(bus->settings.loop, &bus->tick);
    uv_prepare_init(bus->settings.loop, &bus->flush);
    bus->tick.data = bus;
    bus->flush.data = bus;
    uv_timer_init(bus->settings.loop, &bus->patience);
    bus->patience.data = bus;
    bus->open_handles = 3;
    uv_timer_start(&bus->tick, on_tick, 0, BUS_TICK_MS);
    uv_prepare_start(&bus->flush, on_prepare);
}

ErrCode bus_open(const BusSettings *settings, Bus **ret_bus, Error *err)
{
    Bus *bus = xcalloc(1, sizeof(*bus));
    bus->settings = *settings;
    bus->guard =
        (CommandGuard){.trust = settings->trust, .agent = settings->agent, .boot = uuid_random()};
    bus->started_ms = clock_monotonic_ms();
    bus->heard_ms = bus->started_ms;
    bus->reopened_ms = bus->started_ms;
    bus->heartbeat_ms = BUS_HEARTBEAT_MS;
    bus->jobs_arena = arena_new();
    ZDealerSettings dealer = {
        .loop = settings->loop,
        .zmq = settings->zmq,
        .endpoint = settings->endpoint,
        .server_public = settings->server_public,
        .public = key_public(settings->key)->curve,
        .secret = key_curve_secret(settings->key),
        .message_bytes_max = message_type_max_bytes(MESSAGE_COMMAND),
        .on_message = on_message,
        .on_reopen = on_reopen,
        .context = bus,
    };
    ErrCode code = zsock_dealer_connect(&dealer, &bus->sock, err);
    if (code != ERR_OK) {
        arena_free(bus->jobs_arena);
        free(bus);
        return code;
    }
    start_handles(bus);
    *ret_bus = bus;
    return ERR_OK;
}

static void on_handle_closed(uv_handle_t *handle)
{
    Bus *bus = handle->data;
    if (--bus->open_handles == 0)
        free(bus);
}

void bus_close(Bus *bus)
{
    if (bus == NULL)
        return;
    zsock_free(bus->sock);
    ledger_forget(bus->settings.ledger, bus);
    for (size_t i = 0; i < bus->held_count; i++)
        free(bus->held[i].bytes);
    free(bus->held);
    free(bus->jobs);
    arena_free(bus->jobs_arena);
    uv_close((uv_handle_t *)&bus->tick, on_handle_closed);
    uv_close((uv_handle_t *)&bus->flush, on_handle_closed);
    uv_close((uv_handle_t *)&bus->patience, on_handle_closed);
}

bool bus_is_welcome(const Bus *bus)
{
    return bus->welcome;
}

uint64_t bus_silent_ms(const Bus *bus)
{
    return clock_monotonic_ms() - bus->heard_ms;
}

uint64_t bus_silence_deadline_ms(const Bus *bus)
{
    return bus->silence_deadline_ms;
}

void bus_set_trust(Bus *bus, const Trust *trust)
{
    bus->settings.trust = trust;
    bus->guard.trust = trust;
}
