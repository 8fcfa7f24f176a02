#include "sinks.h"

#include "command.h"
#include "delivery_codec.h"
#include "digest.h"
#include "http.h"
#include "named_limits.h"
#include "view_events.h"
#include "webhook.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE_EVENTS = 16,   /* read ahead for a sink */
    LOOKS_PER_TURN = 4, /* pages in which a sink found nothing */
    ACTS_PER_TURN = 64, /* the turn is others' too */
    DEAD_PER_PAGE = 100,
    STATUS_GONE = 410,
};

typedef struct Sink {
    Sinks *sinks;
    const SinkSettings *settings;
    Delivery *delivery;
    Arena *arena; /* of the page */
    EventPage *page;
    size_t at;              /* the next event there */
    uint64_t wait_until_ms; /* 0 = for an answer, or for a record */

    /* The try under way: at most one of the two. */
    HttpCall *call;
    Child *child;
    uint64_t until_ms;
    bool answered;
    DeliveryOutcome outcome;
    char message[256];
} Sink;

struct Sinks {
    Coordinator *coordinator;
    uv_loop_t *loop;
    HttpClient *http;
    Delivery **deliveries; /* of every name that the journal or the configuration has */
    size_t delivery_count;
    size_t delivery_capacity;
    Sink *items; /* the configured ones */
    size_t count;
    bool running;
};

Sinks *sinks_new(Coordinator *coordinator)
{
    Sinks *sinks = xcalloc(1, sizeof *sinks);
    sinks->coordinator = coordinator;
    return sinks;
}

static void end_try(Sink *sink)
{
    if (sink->call != NULL)
        http_cancel(sink->call);
    if (sink->child != NULL)
        child_kill(sink->child);
    sink->call = NULL;
    sink->child = NULL;
}

void sinks_free(Sinks *sinks)
{
    if (sinks == NULL)
        return;
    for (size_t i = 0; i < sinks->count; i++)
        arena_free(sinks->items[i].arena);
    for (size_t i = 0; i < sinks->delivery_count; i++)
        delivery_free(sinks->deliveries[i]);
    free(sinks->deliveries);
    free(sinks->items);
    free(sinks);
}

/* --- the fold --------------------------------------------------------------------------------- */

static Delivery *find_delivery(const Sinks *sinks, const char *name)
{
    for (size_t i = 0; i < sinks->delivery_count; i++) {
        if (strcmp(delivery_sink(sinks->deliveries[i]), name) == 0)
            return sinks->deliveries[i];
    }
    return NULL;
}

static Delivery *delivery_of(Sinks *sinks, const char *name)
{
    Delivery *delivery = find_delivery(sinks, name);
    if (delivery != NULL)
        return delivery;
    if (sinks->delivery_count == sinks->delivery_capacity) {
        sinks->delivery_capacity = sinks->delivery_capacity == 0 ? 8 : sinks->delivery_capacity * 2;
        sinks->deliveries =
            xrealloc(sinks->deliveries, sinks->delivery_capacity * sizeof(Delivery *));
    }
    delivery = delivery_new(name);
    sinks->deliveries[sinks->delivery_count++] = delivery;
    return delivery;
}

void sinks_take(Sinks *sinks, const DeliveryRecord *record)
{
    delivery_apply(delivery_of(sinks, record->sink), record);
}

static void persist(Sinks *sinks, const DeliveryRecord *record)
{
    AUTO_ARENA Arena *arena = arena_new();
    coordinator_append(sinks->coordinator,
                       record->kind == DELIVERY_RECORD_POSITION ? JOURNAL_SINK_POSITION
                                                                : JOURNAL_SINK_LETTER,
                       delivery_record_encode(arena, record));
    if (record->kind != DELIVERY_RECORD_DEAD)
        return;
    log_event(LOG_WARN, "sink.gave_up", "sink", record->sink, "seq", LOG_UINT(record->seq),
              "attempts", LOG_UINT(record->attempts), "message", record->message, NULL);
}

/* --- one try ---------------------------------------------------------------------------------- */

static void answer(Sink *sink, DeliveryOutcome outcome, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void answer(Sink *sink, DeliveryOutcome outcome, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(sink->message, sizeof sink->message, fmt, args);
    va_end(args);
    sink->outcome = outcome;
    sink->answered = true;
    const Coordinator *coordinator = sink->sinks->coordinator;
    if (coordinator->wake != NULL)
        coordinator->wake(coordinator->wake_context);
}

static void on_response(const HttpAnswer *response, void *data)
{
    Sink *sink = data;
    sink->call = NULL;
    if (response->error != NULL)
        answer(sink, DELIVERY_FAILED, "%s%s%s", response->error->message,
               response->error->detail[0] != '\0' ? ": " : "", response->error->detail);
    else if (response->status >= 200 && response->status < 300)
        answer(sink, DELIVERY_PASSED, "%s", "");
    else if (response->status >= 300 && response->status < 400)
        answer(sink, DELIVERY_FAILED, "answered %d; redirects are not followed", response->status);
    else
        answer(sink, response->status == STATUS_GONE ? DELIVERY_GONE : DELIVERY_FAILED,
               "answered %d", response->status);
}

static void try_webhook(Sink *sink, const FleetEvent *event, Arena *arena, const Str *body)
{
    const Coordinator *coordinator = sink->sinks->coordinator;
    char id[VIEW_EVENT_ID_SIZE];
    AUTO_STR Str signature = {0};
    uint64_t unix_s = coordinator->unix_ms / 1000;
    WebhookSecrets secrets;
    Error err;
    if (webhook_secrets_load(sink->settings->secret_path, &secrets, &err) != ERR_OK) {
        answer(sink, DELIVERY_FAILED, "%s", err.message);
        return;
    }
    view_event_id(coordinator, event->seq, id);
    webhook_sign(&secrets, id, unix_s, body->data, body->length, &signature);
    webhook_secrets_wipe(&secrets);
    const char *headers[] = {
        "Content-Type: application/json",
        arena_printf(arena, "webhook-id: %s", id),
        arena_printf(arena, "webhook-timestamp: %llu", (unsigned long long)unix_s),
        arena_printf(arena, "webhook-signature: %s", str_text(&signature)),
        NULL,
    };
    HttpRequest request = {
        .method = HTTP_POST,
        .url = sink->settings->url,
        .headers = headers,
        .body = body->data,
        .body_length = body->length,
        .timeout_ms = sink->settings->timeout_ms,
        .response_bytes_max = LIMIT_SINK_ANSWER_BYTES,
        .ca_file = sink->settings->ca_path,
    };
    if (http_request(sink->sinks->http, &request, on_response, sink, &sink->call, &err) != ERR_OK)
        answer(sink, DELIVERY_FAILED, "%s", err.message);
}

static void on_command_end(const ChildResult *result, void *data)
{
    Sink *sink = data;
    sink->child = NULL;
    int length;
    const char *said = command_said(result, &length);
    if (result->term_signal != 0)
        answer(sink, DELIVERY_FAILED, "ended by signal %d", result->term_signal);
    else if (result->exit_status != 0)
        answer(sink, DELIVERY_FAILED, "exit status %d%s%.*s", (int)result->exit_status,
               length > 0 ? ": " : "", length, said);
    else
        answer(sink, DELIVERY_PASSED, "%s", "");
}

static void try_command(Sink *sink, const FleetEvent *event, Arena *arena, const Str *body)
{
    const Coordinator *coordinator = sink->sinks->coordinator;
    char id[VIEW_EVENT_ID_SIZE];
    const char *shard = view_event_shard(coordinator, event, arena);
    const char *rollout = event->rollout != NULL ? event->rollout->name : "";
    view_event_id(coordinator, event->seq, id);
    const char *const told[] = {
        arena_printf(arena, "PGTIDE_EVENT_ID=%s", id),
        arena_printf(arena, "PGTIDE_EVENT_SEQ=%llu", (unsigned long long)event->seq),
        arena_printf(arena, "PGTIDE_EVENT_TYPE=%s", fleet_event_type_name(event->type)),
        arena_printf(arena, "PGTIDE_ROLLOUT=%s", rollout),
        arena_printf(arena, "PGTIDE_SHARD=%s", shard != NULL ? shard : ""),
        arena_printf(arena, "PGTIDE_WHO=%s", event->who),
        arena_printf(arena, "PGTIDE_MESSAGE=%s", event->message),
        NULL,
    };
    CommandArgs args = {.argv = &sink->settings->argv, .told = told, .input = body};
    Error err;
    sink->until_ms = coordinator->now_ms + sink->settings->timeout_ms;
    if (command_start(sink->sinks->loop, &args, on_command_end, sink, &sink->child, &err) != ERR_OK)
        answer(sink, DELIVERY_FAILED, "%s", err.message);
}

static void try_event(Sink *sink, uint64_t seq)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str body = {0};
    FleetEvent event;
    Error err;
    bool at_hand = sink->at < sink->page->count && sink->page->items[sink->at].seq == seq;
    if (at_hand) {
        event = sink->page->items[sink->at];
    } else if (event_log_find(sink->sinks->coordinator, seq, arena, &event, &err) != ERR_OK) {
        answer(sink, DELIVERY_GONE, "%s", err.message);
        return;
    }
    JsonWriter json = json_writer(&body);
    view_event(sink->sinks->coordinator, &event, arena, &json);
    if (sink->settings->url != NULL) {
        try_webhook(sink, &event, arena, &body);
        return;
    }
    str_append_char(&body, '\n');
    try_command(sink, &event, arena, &body);
}

/* --- one sink's turn -------------------------------------------------------------------------- */

static void look(Sink *sink, uint64_t after)
{
    EventPage *page = sink->page;
    Error err;
    while (sink->at < page->count && page->items[sink->at].seq <= after)
        sink->at++;
    if (sink->at == page->count) {
        EventFilter filter = {.types = &sink->settings->events};
        arena_reset(sink->arena);
        sink->at = 0;
        if (event_log_read(sink->sinks->coordinator, after, &filter, PAGE_EVENTS, sink->arena, page,
                           &err) != ERR_OK) {
            log_failure(LOG_ERROR, "sink.read", &err, "sink", sink->settings->name, NULL);
            page->more = false;
        }
    }
    if (sink->at < page->count)
        delivery_offer(sink->delivery, page->items[sink->at].seq, page->items[sink->at].at_unix_ms);
    else
        delivery_none(sink->delivery, page->next, page->more);
}

static void take_answer(Sink *sink)
{
    const Coordinator *coordinator = sink->sinks->coordinator;
    if (sink->child != NULL && sink->until_ms <= coordinator->now_ms) {
        child_kill(sink->child);
        sink->child = NULL;
        answer(sink, DELIVERY_FAILED, "it did not end in time");
    }
    if (!sink->answered)
        return;
    bool was_failing = delivery_failing_since(sink->delivery) != 0;
    sink->answered = false;
    delivery_result(sink->delivery, sink->outcome, sink->message, coordinator->now_ms,
                    coordinator->unix_ms);
    bool is_failing = delivery_failing_since(sink->delivery) != 0;
    if (is_failing != was_failing)
        log_event(is_failing ? LOG_WARN : LOG_INFO, is_failing ? "sink.failing" : "sink.recovered",
                  "sink", sink->settings->name, "message", is_failing ? sink->message : NULL, NULL);
    if (is_failing || was_failing)
        coordinator_changed(sink->sinks->coordinator);
}

static void sink_turn(Sink *sink)
{
    uint64_t now_ms = sink->sinks->coordinator->now_ms;
    int looks = 0;
    bool in_vain = false;
    sink->wait_until_ms = now_ms; /* when the turn ends before there is nothing to do */
    for (int acts = 0; acts < ACTS_PER_TURN && looks < LOOKS_PER_TURN; acts++) {
        take_answer(sink);
        DeliveryAct act = delivery_next(sink->delivery, now_ms);
        switch (act.kind) {
        case DELIVERY_ACT_PERSIST:
            persist(sink->sinks, &act.record);
            coordinator_changed(sink->sinks->coordinator);
            break;
        case DELIVERY_ACT_TRY:
            try_event(sink, act.seq);
            break;
        case DELIVERY_ACT_LOOK:
            if (in_vain) {
                sink->wait_until_ms = 0;
                delivery_none(sink->delivery, act.seq, false);
                return;
            }
            look(sink, act.seq);
            looks += sink->at == sink->page->count ? 1 : 0;
            in_vain = sink->at == sink->page->count && !sink->page->more;
            break;
        case DELIVERY_ACT_WAIT:
            sink->wait_until_ms = sink->child != NULL ? sink->until_ms : act.until_ms;
            return;
        }
    }
}

void sinks_tick(Sinks *sinks)
{
    for (size_t i = 0; sinks->running && i < sinks->count; i++)
        sink_turn(&sinks->items[i]);
}

uint64_t sinks_next_timer(const Sinks *sinks)
{
    uint64_t next = 0;
    for (size_t i = 0; sinks->running && i < sinks->count; i++) {
        uint64_t at = sinks->items[i].wait_until_ms;
        if (at != 0 && (next == 0 || at < next))
            next = at;
    }
    return next;
}

/* --- from start to end ------------------------------------------------------------------------ */

static ErrCode sink_start(Sinks *sinks, const SinkSettings *settings, Error *err)
{
    Sink *sink = &sinks->items[sinks->count];
    DeliveryPolicy policy = {
        .attempts = (uint32_t)settings->attempts,
        .max_age_ms = settings->max_age_ms,
        .retry_ms = settings->retry_ms,
    };
    uint64_t seed;
    *sink = (Sink){.sinks = sinks, .settings = settings};
    if (!secure_random(&seed, sizeof seed))
        return err_set(err, ERR_IO, "no random numbers from the system");
    sink->delivery = delivery_of(sinks, settings->name);
    sink->arena = arena_new();
    sink->page = xcalloc(1, sizeof *sink->page);
    delivery_start(sink->delivery, &policy, journal_last_seq(sinks->coordinator->journal), seed);
    sinks->count++;
    return ERR_OK;
}

ErrCode sinks_check(const Coordinator *coordinator, Error *err)
{
    const ConfigList *webhooks = &coordinator->settings.webhooks;
    const SinkSettings *items = webhooks->items;
    for (size_t i = 0; i < webhooks->count; i++) {
        WebhookSecrets secrets;
        ErrCode code = webhook_secrets_load(items[i].secret_path, &secrets, err);
        if (code != ERR_OK)
            return err_wrap(err, "webhook %s", items[i].name);
        webhook_secrets_wipe(&secrets);
    }
    return ERR_OK;
}

ErrCode sinks_start(Sinks *sinks, uv_loop_t *loop, Error *err)
{
    const Settings *settings = &sinks->coordinator->settings;
    const ConfigList *lists[] = {&settings->webhooks, &settings->event_commands};
    size_t count = settings->webhooks.count + settings->event_commands.count;
    if (count == 0)
        return ERR_OK;
    sinks->loop = loop;
    sinks->items = xcalloc(count, sizeof *sinks->items);
    ErrCode code = sinks_check(sinks->coordinator, err);
    if (code == ERR_OK)
        code = http_client_new(loop, &sinks->http, err);
    for (size_t i = 0; i < 2; i++) {
        const SinkSettings *items = lists[i]->items;
        for (size_t j = 0; code == ERR_OK && j < lists[i]->count; j++)
            code = sink_start(sinks, &items[j], err);
    }
    sinks->running = code == ERR_OK;
    return code;
}

void sinks_stop(Sinks *sinks)
{
    if (sinks == NULL)
        return;
    for (size_t i = 0; i < sinks->count; i++) {
        DeliveryRecord record;
        end_try(&sinks->items[i]);
        if (sinks->running && delivery_close(sinks->items[i].delivery, &record))
            persist(sinks, &record);
    }
    http_client_free(sinks->http);
    sinks->http = NULL;
    sinks->running = false;
}

/* --- operators -------------------------------------------------------------------------------- */

static const Sink *find_sink(const Sinks *sinks, const char *name)
{
    for (size_t i = 0; i < sinks->count; i++) {
        if (strcmp(sinks->items[i].settings->name, name) == 0)
            return &sinks->items[i];
    }
    return NULL;
}

ErrCode sinks_find(const Sinks *sinks, const char *name, Error *err)
{
    const Sink *sink = find_sink(sinks, name);
    if (sink == NULL) {
        err_set(err, ERR_NOT_FOUND, "the coordinator has no webhook or command '%.80s'", name);
        err_hint(err, "`pgtide fleet status` lists them.");
        return ERR_NOT_FOUND;
    }
    if (delivery_dead_count(sink->delivery) == 0)
        return err_set(err, ERR_STATE, "%s has no dead events", name);
    return ERR_OK;
}

ErrCode sinks_retry(Sinks *sinks, const char *name, const char *who, size_t *ret_count, Error *err)
{
    ErrCode code = sinks_find(sinks, name, err);
    if (code != ERR_OK)
        return code;
    DeliveryRecord record = {
        .kind = DELIVERY_RECORD_AGAIN,
        .sink = name,
        .who = who,
        .at_unix_ms = sinks->coordinator->unix_ms,
    };
    persist(sinks, &record);
    sinks_take(sinks, &record);
    *ret_count = delivery_dead_count(find_delivery(sinks, name));
    coordinator_changed(sinks->coordinator);
    return ERR_OK;
}

void sinks_render(const Sinks *sinks, JsonWriter *json)
{
    json_field_array(json, "sinks");
    for (size_t i = 0; i < sinks->count; i++) {
        const Sink *sink = &sinks->items[i];
        const char *message = delivery_message(sink->delivery);
        json_object_begin(json);
        json_field_string(json, "name", sink->settings->name);
        json_field_string(json, "kind", sink->settings->url != NULL ? "webhook" : "command");
        json_field_uint(json, "position", delivery_position(sink->delivery));
        json_field_time(json, "failing_since", delivery_failing_since(sink->delivery));
        json_field_uint(json, "attempts", delivery_attempts(sink->delivery));
        json_field_string(json, "message", message);
        json_field_uint(json, "dead", delivery_dead_count(sink->delivery));
        json_object_end(json);
    }
    json_array_end(json);
}

static ErrCode render_letter(const Sinks *sinks, const Delivery *delivery, const DeadLetter *letter,
                             Arena *arena, JsonWriter *json, Error *err)
{
    FleetEvent event;
    ErrCode code = event_log_find(sinks->coordinator, letter->seq, arena, &event, err);
    json_object_begin(json);
    json_field_string(json, "sink", delivery_sink(delivery));
    json_field_uint(json, "attempts", letter->attempts);
    json_field_time(json, "died", letter->at_unix_ms);
    json_field_bool(json, "wanted", letter->wanted);
    json_field_string(json, "message", letter->message);
    json_key(json, "event");
    if (code == ERR_OK)
        view_event(sinks->coordinator, &event, arena, json);
    else
        json_none(json);
    json_object_end(json);
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

ErrCode sinks_render_dead(const Sinks *sinks, uint64_t since, Arena *arena, JsonWriter *json,
                          Error *err)
{
    uint64_t number = 0;
    uint64_t end = since + DEAD_PER_PAGE < since ? since : since + DEAD_PER_PAGE;
    ErrCode code = ERR_OK;
    json_field_array(json, "dead");
    for (size_t i = 0; i < sinks->delivery_count; i++) {
        const Delivery *delivery = sinks->deliveries[i];
        for (size_t j = 0; code == ERR_OK && j < delivery_dead_count(delivery); j++, number++) {
            if (number >= since && number < end)
                code = render_letter(sinks, delivery, delivery_dead(delivery, j), arena, json, err);
        }
    }
    json_array_end(json);
    json_field_uint(json, "next", number < end ? number : end);
    json_field_bool(json, "more", number > end);
    return code;
}
