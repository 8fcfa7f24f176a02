#include "fleet_event.h"

#include <string.h>

static const char *const type_names[FLEET_EVENT_COUNT] = {
    "",
#define X(name, type, when) type,
#include "fleet_events.def"
#undef X
};

const char *fleet_event_type_name(FleetEventType type)
{
    return (unsigned)type < FLEET_EVENT_COUNT ? type_names[type] : "";
}

/* --- patterns --------------------------------------------------------------------------------- */

static bool matches(const char *text, const char *pattern)
{
    /* Where to go on when the last '*' has to take one byte more. */
    const char *star = NULL;
    const char *taken = NULL;
    while (*text != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            taken = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star;
            text = ++taken;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool fleet_event_type_matches(FleetEventType type, const char *pattern)
{
    return type != FLEET_EVENT_NONE && matches(fleet_event_type_name(type), pattern);
}

bool fleet_event_pattern_is_known(const char *pattern)
{
    for (int type = FLEET_EVENT_NONE + 1; type < FLEET_EVENT_COUNT; type++) {
        if (fleet_event_type_matches((FleetEventType)type, pattern))
            return true;
    }
    return false;
}

bool fleet_event_is_wanted(FleetEventType type, const StrList *patterns)
{
    for (size_t i = 0; i < patterns->count; i++) {
        if (fleet_event_type_matches(type, patterns->items[i]))
            return true;
    }
    return patterns->count == 0;
}

/* --- rollouts' records ------------------------------------------------------------------------ */

/* Kinds that are not here make no event (a resend, a recall before anything was sent), or one that
 * depends on what else the record says: type_of(). */
static const FleetEventType by_kind[ROLLOUT_RECORD_KIND_COUNT] = {
    [ROLLOUT_RECORD_STARTED] = FLEET_EVENT_ROLLOUT_STARTED,
    [ROLLOUT_RECORD_WAVE_OPENED] = FLEET_EVENT_WAVE_OPENED,
    [ROLLOUT_RECORD_DISPATCHED] = FLEET_EVENT_SHARD_DISPATCHED,
    [ROLLOUT_RECORD_SHARD_UNKNOWN] = FLEET_EVENT_SHARD_UNKNOWN,
    [ROLLOUT_RECORD_SHARD_KNOWN] = FLEET_EVENT_SHARD_KNOWN,
    [ROLLOUT_RECORD_SHARD_OVERDUE] = FLEET_EVENT_SHARD_OVERDUE,
    [ROLLOUT_RECORD_TAKE_BACK] = FLEET_EVENT_SHARD_TAKING_BACK,
    [ROLLOUT_RECORD_WAVE_BAKING] = FLEET_EVENT_WAVE_BAKING,
    [ROLLOUT_RECORD_WAVE_DONE] = FLEET_EVENT_WAVE_DONE,
    [ROLLOUT_RECORD_STOP_DECIDED] = FLEET_EVENT_ROLLOUT_HALTED,
    [ROLLOUT_RECORD_ABORT_DECIDED] = FLEET_EVENT_ROLLOUT_ABORTING,
    [ROLLOUT_RECORD_RETRIED] = FLEET_EVENT_SHARD_RETRIED,
    [ROLLOUT_RECORD_SKIPPED] = FLEET_EVENT_SHARD_SKIPPED,
    [ROLLOUT_RECORD_SET] = FLEET_EVENT_ROLLOUT_SET,
    [ROLLOUT_RECORD_GATE_PASSED] = FLEET_EVENT_GATE_PASSED,
};

static const FleetEventType by_state[ROLLOUT_STATE_COUNT] = {
    [ROLLOUT_RUNNING] = FLEET_EVENT_ROLLOUT_RESUMED,
    [ROLLOUT_PAUSED] = FLEET_EVENT_ROLLOUT_PAUSED,
    [ROLLOUT_HALTED] = FLEET_EVENT_ROLLOUT_HALTED,
    [ROLLOUT_ROLLING_BACK] = FLEET_EVENT_ROLLOUT_ROLLING_BACK,
    [ROLLOUT_ROLLED_BACK] = FLEET_EVENT_ROLLOUT_ROLLED_BACK,
    [ROLLOUT_SUCCEEDED] = FLEET_EVENT_ROLLOUT_SUCCEEDED,
    [ROLLOUT_ABORTED] = FLEET_EVENT_ROLLOUT_ABORTED,
};

static const FleetEventType by_outcome[OUTCOME_COUNT] = {
    [OUTCOME_SUCCEEDED] = FLEET_EVENT_SHARD_SUCCEEDED,
    [OUTCOME_FAILED] = FLEET_EVENT_SHARD_FAILED,
    [OUTCOME_UNKNOWN] = FLEET_EVENT_SHARD_UNKNOWN,
    [OUTCOME_DIVERGED] = FLEET_EVENT_SHARD_DIVERGED,
    [OUTCOME_STOPPED] = FLEET_EVENT_SHARD_STOPPED,
    [OUTCOME_ROLLBACK_FAILED] = FLEET_EVENT_SHARD_ROLLBACK_FAILED,
    [OUTCOME_OVERTAKEN] = FLEET_EVENT_SHARD_OVERTAKEN,
    [OUTCOME_REFUSED] = FLEET_EVENT_SHARD_REFUSED,
    [OUTCOME_UNREACHABLE] = FLEET_EVENT_SHARD_UNREACHABLE,
};

static FleetEventType type_of(const RolloutRecord *record, const PlanHeader *header)
{
    if ((unsigned)record->kind >= ROLLOUT_RECORD_KIND_COUNT)
        return FLEET_EVENT_NONE;
    if (record->kind == ROLLOUT_RECORD_STATE)
        return (unsigned)record->state < ROLLOUT_STATE_COUNT ? by_state[record->state]
                                                             : FLEET_EVENT_NONE;
    if (record->kind != ROLLOUT_RECORD_SHARD_ENDED)
        return by_kind[record->kind];
    const RolloutShardRecord *shard = record->shards;
    if (record->shard_count == 0 || (unsigned)shard->outcome >= OUTCOME_COUNT)
        return FLEET_EVENT_NONE;
    if (shard->outcome == OUTCOME_SUCCEEDED && shard->direction != header->direction)
        return FLEET_EVENT_SHARD_ROLLED_BACK;
    return by_outcome[shard->outcome];
}

static const char *text(const char *maybe)
{
    return maybe != NULL ? maybe : "";
}

static const char *gate_name(const PlanHeader *header, uint32_t gate)
{
    return gate < header->gate_count ? header->gates[gate].name : "";
}

static void take_shard(const RolloutShardRecord *shard, FleetEvent *event)
{
    event->message = text(shard->message);
    event->code = text(shard->code);
    event->sqlstate = text(shard->sqlstate);
}

bool fleet_event_of_record(Arena *arena, const RolloutRecord *record, const PlanHeader *header,
                           const PlanShard *plan, const char *setting, FleetEvent *ret_event)
{
    FleetEvent event = {
        .type = type_of(record, header),
        .at_unix_ms = record->at_unix_ms,
        .rollout = header,
        .plan = plan,
        .shards = record->shards,
        .shard_count = record->shard_count,
        .who = text(record->who),
        .message = text(record->reason),
        .code = "",
        .sqlstate = "",
        .gate = "",
        .agent = "",
    };
    switch (record->kind) {
    case ROLLOUT_RECORD_WAVE_OPENED:
    case ROLLOUT_RECORD_WAVE_BAKING:
    case ROLLOUT_RECORD_WAVE_DONE:
        event.has_wave = true;
        event.wave = record->wave;
        break;
    case ROLLOUT_RECORD_GATE_PASSED:
        event.has_wave = true;
        event.wave = record->wave;
        event.gate = gate_name(header, record->value);
        break;
    case ROLLOUT_RECORD_STATE:
        if (record->state == ROLLOUT_PAUSED && record->value > 0)
            event.gate = gate_name(header, record->value - 1);
        break;
    case ROLLOUT_RECORD_SET:
        event.message = arena_printf(arena, "%s%s%s", setting, event.message[0] != '\0' ? ": " : "",
                                     event.message);
        break;
    case ROLLOUT_RECORD_SHARD_ENDED:
    case ROLLOUT_RECORD_SHARD_UNKNOWN:
    case ROLLOUT_RECORD_SHARD_KNOWN:
        if (record->shard_count > 0)
            take_shard(record->shards, &event);
        break;
    default:
        break;
    }
    if (event.type == FLEET_EVENT_NONE)
        return false;
    *ret_event = event;
    return true;
}
