/*
 * The fold: state changes here and nowhere else, when a record is decided and when it is replayed.
 * Each kind first checks that it can follow what is there, then changes; a record that can't
 * follow changes nothing.
 */
#include "rollout_state.h"

#define CHECK(expr, ...)                                                                           \
    do {                                                                                           \
        if (!(expr))                                                                               \
            return err_set(err, ERR_JOURNAL, __VA_ARGS__);                                         \
    } while (0)

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static void set_shard_state(Rollout *r, RolloutShard *shard, ShardState state)
{
    RolloutWave *wave = &r->waves[r->plan[shard - r->shards].wave];
    INVARIANT(I15, wave->by_state[shard->state] > 0);
    wave->by_state[shard->state]--;
    wave->by_state[state]++;
    shard->state = (uint8_t)state;
}

static void set_failed(Rollout *r, RolloutShard *shard, bool failed)
{
    if (shard->failed == failed)
        return;
    RolloutWave *wave = &r->waves[r->plan[shard - r->shards].wave];
    shard->failed = failed;
    r->failures += failed ? 1u : -1u;
    wave->failures += failed ? 1u : -1u;
    rollout_scopes_count_failure(r, (uint32_t)(shard - r->shards), failed);
}

static void set_wanted(Rollout *r, RolloutShard *shard, bool wanted)
{
    if (shard->wanted == wanted)
        return;
    uint32_t index = (uint32_t)(shard - r->shards);
    uint32_t change = wanted ? 1u : -1u;
    shard->wanted = wanted;
    r->waves[r->plan[index].wave].unsettled += change;
    if (shard->back) {
        r->back_unsettled += change;
        if (wanted && index < r->next_back)
            r->next_back = index;
    } else {
        r->forward_wanted += change;
        if (wanted && index < r->next_forward)
            r->next_forward = index;
    }
}

static void set_overdue(Rollout *r, RolloutShard *shard, bool overdue)
{
    if (shard->overdue == overdue)
        return;
    shard->overdue = overdue;
    r->in_flight_overdue += overdue ? 1u : -1u;
}

static void set_in_flight(Rollout *r, RolloutShard *shard, bool in_flight)
{
    INVARIANT(I1, shard->in_flight != in_flight);
    uint32_t index = (uint32_t)(shard - r->shards);
    uint32_t change = in_flight ? 1u : -1u;
    RolloutWave *wave = &r->waves[r->plan[index].wave];
    if (in_flight) {
        shard->position = r->in_flight;
        r->flying[r->in_flight] = index;
    } else {
        set_overdue(r, shard, false);
        uint32_t last = r->flying[r->in_flight - 1];
        r->flying[shard->position] = last;
        r->shards[last].position = shard->position;
    }
    shard->in_flight = in_flight;
    r->in_flight += change;
    wave->in_flight += change;
    wave->unsettled += change;
    if (shard->back) {
        r->in_flight_back += change;
        r->back_unsettled += change;
    } else {
        rollout_scopes_count_flying(r, index, change);
    }
    r->agents[shard->agent].in_flight += change;
    r->host_load[shard->host] += change;
    r->cluster_load[shard->cluster] += change;
    r->database_load[shard->database] += change;
    rollout_caps_count(r, index, change);
}

static void set_rolled_back(Rollout *r, RolloutShard *shard, bool rolled_back)
{
    if (shard->rolled_back == rolled_back)
        return;
    shard->rolled_back = rolled_back;
    r->waves[r->plan[shard - r->shards].wave].rolled_back += rolled_back ? 1u : -1u;
}

static const char *keep_text(Rollout *r, const char *text)
{
    return is_empty(text) ? "" : arena_strdup(r->arena, text);
}

static void set_state(Rollout *r, RolloutState state, const RolloutRecord *record)
{
    r->state = state;
    r->who = keep_text(r, record->who);
    r->reason = keep_text(r, record->reason);
    r->state_number = r->decided + 1;
}

static ErrCode apply_wave_opened(Rollout *r, const RolloutRecord *record, Error *err)
{
    uint32_t next = r->wave_opened ? r->wave + 1 : 0;
    CHECK(r->state == ROLLOUT_RUNNING, "a wave was opened in state %s",
          rollout_state_name(r->state));
    CHECK(record->wave == next && next < r->wave_count, "wave %u was opened where %u is next",
          record->wave, next);
    CHECK(next == 0 || r->waves[next - 1].state == WAVE_DONE,
          "wave %u was opened before wave %u was done", next, next - 1);
    RolloutWave *wave = &r->waves[next];
    wave->state = WAVE_OPEN;
    r->wave = next;
    r->wave_opened = true;
    for (uint32_t i = wave->first; i < wave->first + wave->count; i++) {
        if (r->plan[i].steps.count == 0 && r->header->direction != DIRECTION_RESTORE)
            set_shard_state(r, &r->shards[i], SHARD_CURRENT);
        else if (!r->shards[i].skipped)
            set_wanted(r, &r->shards[i], true);
    }
    return ERR_OK;
}

static ErrCode apply_dispatched(Rollout *r, const RolloutRecord *record, Error *err)
{
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *item = &record->shards[i];
        const RolloutShard *shard = &r->shards[item->index];
        uint32_t generation = shard->generation == 0 ? 1 : shard->generation;
        CHECK(shard->wanted, "shard %u was dispatched unasked", item->index);
        CHECK(shard->back || !r->stop_decided, "shard %u was dispatched after the stop",
              item->index);
        CHECK(item->generation == generation && item->direction == (Direction)shard->direction &&
                  item->attempt == shard->attempt + 1,
              "shard %u was dispatched out of turn", item->index);
    }
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *item = &record->shards[i];
        RolloutShard *shard = &r->shards[item->index];
        set_wanted(r, shard, false);
        set_in_flight(r, shard, true);
        set_shard_state(r, shard, SHARD_RUNNING);
        shard->generation = item->generation;
        shard->attempt = item->attempt;
        if (shard->first_unix_ms == 0)
            shard->first_unix_ms = record->at_unix_ms;
        shard->sent = false;
        shard->known_to_probe = false;
        shard->phase = PHASE_UNSPECIFIED;
        shard->reached = 0;
        shard->revision = NULL;
    }
    return ERR_OK;
}

static ErrCode check_flying(const Rollout *r, const RolloutRecord *record, Error *err)
{
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *item = &record->shards[i];
        const RolloutShard *shard = &r->shards[item->index];
        CHECK(shard->in_flight, "shard %u is not in flight", item->index);
        CHECK(item->generation == shard->generation && item->attempt == shard->attempt,
              "shard %u is at generation %u, attempt %u; the record says %u, %u", item->index,
              shard->generation, shard->attempt, item->generation, item->attempt);
    }
    return ERR_OK;
}

static ErrCode apply_to_flying(Rollout *r, const RolloutRecord *record, Error *err)
{
    ErrCode code = check_flying(r, record, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < record->shard_count; i++) {
        RolloutShard *shard = &r->shards[record->shards[i].index];
        switch (record->kind) {
        case ROLLOUT_RECORD_RESENT:
            shard->unsure = true;
            break;
        case ROLLOUT_RECORD_RECALLED:
            set_in_flight(r, shard, false);
            set_wanted(r, shard, true);
            set_shard_state(r, shard, SHARD_PENDING);
            break;
        case ROLLOUT_RECORD_SHARD_UNKNOWN:
            shard->unsure = true;
            set_shard_state(r, shard, SHARD_UNKNOWN);
            break;
        case ROLLOUT_RECORD_SHARD_KNOWN:
            set_shard_state(r, shard, SHARD_RUNNING);
            set_overdue(r, shard, false);
            if (!shard->back)
                set_failed(r, shard, false);
            break;
        case ROLLOUT_RECORD_SHARD_OVERDUE:
            shard->unsure = true;
            set_shard_state(r, shard, SHARD_UNKNOWN);
            set_overdue(r, shard, true);
            set_failed(r, shard, true);
            break;
        default:
            break;
        }
    }
    return ERR_OK;
}

static void keep_detail(Rollout *r, RolloutShard *shard, const RolloutShardRecord *item)
{
    ShardDetail *detail = ARENA_NEW(r->arena, ShardDetail);
    detail->revision = keep_text(r, item->revision);
    detail->code = keep_text(r, item->code);
    detail->sqlstate = keep_text(r, item->sqlstate);
    detail->message = keep_text(r, item->message);
    detail->duration_ms = item->duration_ms;
    detail->rows = strlist_copy(r->arena, &item->rows);
    if (item->has_backup) {
        detail->has_backup = true;
        detail->backup = item->backup;
        detail->backup.path = keep_text(r, item->backup.path);
    } else if (shard->detail != NULL && shard->detail->has_backup) {
        /* A later job without a backup does not make the earlier one's go away. */
        detail->has_backup = true;
        detail->backup = shard->detail->backup;
    }
    shard->detail = detail;
}

static ShardState state_after_forward(JobOutcome outcome)
{
    switch (outcome) {
    case OUTCOME_SUCCEEDED:
        return SHARD_CURRENT;
    case OUTCOME_STOPPED:
        return SHARD_PENDING;
    case OUTCOME_DIVERGED:
        return SHARD_DIVERGED;
    case OUTCOME_ROLLBACK_FAILED:
        return SHARD_ROLLBACK_FAILED;
    case OUTCOME_UNREACHABLE:
        return SHARD_UNREACHABLE;
    default:
        return SHARD_FAILED;
    }
}

static void end_forward(Rollout *r, RolloutShard *shard, JobOutcome outcome)
{
    set_shard_state(r, shard, state_after_forward(outcome));
    set_failed(r, shard, outcome != OUTCOME_SUCCEEDED && outcome != OUTCOME_STOPPED);
    if (outcome == OUTCOME_SUCCEEDED || shard->steps_done > 0)
        shard->changed = true;
    if (outcome == OUTCOME_SUCCEEDED)
        shard->unsure = false; /* every other end may come without having read the shard */
    if (outcome == OUTCOME_STOPPED)
        set_wanted(r, shard, true);
}

static void end_back(Rollout *r, RolloutShard *shard, JobOutcome outcome)
{
    if (outcome == OUTCOME_STOPPED) {
        set_shard_state(r, shard, SHARD_PENDING);
        set_wanted(r, shard, true);
    } else if (outcome == OUTCOME_SUCCEEDED) {
        set_shard_state(r, shard, SHARD_PENDING);
        shard->changed = false;
        shard->unsure = false;
        set_rolled_back(r, shard, true);
    } else {
        set_shard_state(r, shard, SHARD_ROLLBACK_FAILED);
    }
}

static ErrCode apply_shard_ended(Rollout *r, const RolloutRecord *record, Error *err)
{
    CHECK(record->shard_count == 1, "an end names %zu shards", record->shard_count);
    ErrCode code = check_flying(r, record, err);
    if (code != ERR_OK)
        return code;
    const RolloutShardRecord *item = &record->shards[0];
    RolloutShard *shard = &r->shards[item->index];
    CHECK(item->outcome != OUTCOME_UNSPECIFIED && item->outcome != OUTCOME_UNKNOWN &&
              item->outcome < OUTCOME_COUNT,
          "an end without an outcome");
    set_in_flight(r, shard, false);
    rollout_progress_made(r);
    shard->outcome = (uint8_t)item->outcome;
    shard->steps_done = item->steps_done;
    shard->phase = PHASE_DONE;
    keep_detail(r, shard, item);
    if (shard->back)
        end_back(r, shard, item->outcome);
    else
        end_forward(r, shard, item->outcome);
    return ERR_OK;
}

static Direction opposite(Direction direction)
{
    return direction == DIRECTION_UPGRADE ? DIRECTION_DOWNGRADE : DIRECTION_UPGRADE;
}

static ErrCode apply_take_back(Rollout *r, const RolloutRecord *record, Error *err)
{
    Direction direction = opposite(r->header->direction);
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *item = &record->shards[i];
        const RolloutShard *shard = &r->shards[item->index];
        CHECK(!shard->in_flight && !shard->back && (shard->changed || shard->unsure),
              "shard %u can't be taken back", item->index);
        CHECK(item->generation == shard->generation + 1 && item->direction == direction,
              "shard %u was turned out of turn", item->index);
    }
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *item = &record->shards[i];
        RolloutShard *shard = &r->shards[item->index];
        set_wanted(r, shard, false); /* as a forward one */
        shard->back = true;
        shard->generation = item->generation;
        shard->direction = (uint8_t)item->direction;
        shard->attempt = 0;
        set_wanted(r, shard, true);
    }
    return ERR_OK;
}

static void set_skipped(Rollout *r, RolloutShard *shard, bool skipped)
{
    if (shard->skipped == skipped)
        return;
    shard->skipped = skipped;
    r->waves[r->plan[shard - r->shards].wave].skipped += skipped ? 1u : -1u;
}

bool rollout_can_retry(const Rollout *r, uint32_t index)
{
    const RolloutShard *shard = &r->shards[index];
    bool ended =
        shard->failed && (shard->state == SHARD_FAILED || shard->state == SHARD_UNREACHABLE);
    return !shard->in_flight && !shard->back && (ended || shard->skipped);
}

bool rollout_can_skip(const Rollout *r, uint32_t index)
{
    const RolloutShard *shard = &r->shards[index];
    return !shard->in_flight && !shard->back && !shard->skipped && !shard->changed &&
           !shard->unsure && shard->state == SHARD_PENDING;
}

static ErrCode apply_retried(Rollout *r, const RolloutRecord *record, Error *err)
{
    for (size_t i = 0; i < record->shard_count; i++)
        CHECK(rollout_can_retry(r, record->shards[i].index), "shard %u can't be retried",
              record->shards[i].index);
    for (size_t i = 0; i < record->shard_count; i++) {
        uint32_t index = record->shards[i].index;
        RolloutShard *shard = &r->shards[index];
        RolloutWave *wave = &r->waves[r->plan[index].wave];
        set_failed(r, shard, false);
        set_skipped(r, shard, false);
        set_shard_state(r, shard, SHARD_PENDING);
        if (wave->state == WAVE_WAITING)
            continue;
        set_wanted(r, shard, true);
        if (wave->state == WAVE_BAKING)
            wave->state = WAVE_OPEN; /* it bakes anew when they have ended */
    }
    return ERR_OK;
}

static ErrCode apply_skipped(Rollout *r, const RolloutRecord *record, Error *err)
{
    for (size_t i = 0; i < record->shard_count; i++)
        CHECK(rollout_can_skip(r, record->shards[i].index), "shard %u can't be skipped",
              record->shards[i].index);
    for (size_t i = 0; i < record->shard_count; i++) {
        const RolloutShardRecord *item = &record->shards[i];
        RolloutShard *shard = &r->shards[item->index];
        set_wanted(r, shard, false);
        set_skipped(r, shard, true);
        keep_detail(r, shard, item);
    }
    return ERR_OK;
}

static ErrCode apply_set(Rollout *r, const RolloutRecord *record, Error *err)
{
    RolloutSetting setting = (RolloutSetting)record->setting;
    CHECK(rollout_setting_exists(r, setting), "no setting %u", record->setting);
    SettingRange range = rollout_setting_range(r, setting);
    CHECK(record->value >= range.min && record->value <= range.max, "setting %u can't be %u",
          record->setting, record->value);
    rollout_setting_apply(r, setting, record->value);
    return ERR_OK;
}

static ErrCode apply_gate_passed(Rollout *r, const RolloutRecord *record, Error *err)
{
    CHECK(record->value < r->header->gate_count && record->wave < r->wave_count &&
              (record->setting == GATE_BEFORE || record->setting == GATE_AFTER),
          "gate %u of wave %u", record->value, record->wave);
    RolloutGate *gate = &r->gates[record->value];
    uint32_t *passed = record->setting == GATE_BEFORE ? &gate->passed_before : &gate->passed_after;
    CHECK(*passed <= record->wave, "gate %u has let wave %u pass already", record->value,
          record->wave);
    *passed = record->wave + 1;
    return ERR_OK;
}

static ErrCode apply_wave_state(Rollout *r, const RolloutRecord *record, Error *err)
{
    CHECK(r->wave_opened && record->wave == r->wave, "wave %u is not the open one", record->wave);
    RolloutWave *wave = &r->waves[r->wave];
    CHECK(wave->unsettled == 0 && wave->state != WAVE_DONE, "wave %u can't be over yet",
          record->wave);
    if (record->kind == ROLLOUT_RECORD_WAVE_DONE) {
        wave->state = WAVE_DONE;
        r->wave_done_number = r->decided + 1;
        return ERR_OK;
    }
    CHECK(wave->state == WAVE_OPEN, "wave %u bakes already", record->wave);
    wave->state = WAVE_BAKING;
    wave->baking_unix_ms = record->at_unix_ms;
    return ERR_OK;
}

static ErrCode apply_state(Rollout *r, const RolloutRecord *record, Error *err)
{
    /* from -> to, and the reason it exists */
    static const struct {
        RolloutState from, to;
    } moves[] = {
        {ROLLOUT_RUNNING, ROLLOUT_PAUSED},           /* an operator's pause */
        {ROLLOUT_PAUSED, ROLLOUT_RUNNING},           /* and resume */
        {ROLLOUT_RUNNING, ROLLOUT_SUCCEEDED},        /* the last wave is done */
        {ROLLOUT_HALTED, ROLLOUT_ROLLING_BACK},      /* drained, the policy acts */
        {ROLLOUT_ROLLING_BACK, ROLLOUT_ROLLED_BACK}, /* everything was taken back */
        {ROLLOUT_ROLLING_BACK, ROLLOUT_HALTED},      /* not everything could be */
        {ROLLOUT_HALTED, ROLLOUT_ABORTED},           /* drained after an abort */
        {ROLLOUT_APPROVED, ROLLOUT_ABORTED},         /* never started */
    };
    size_t i = 0;
    while (i < sizeof moves / sizeof *moves &&
           (moves[i].from != r->state || moves[i].to != record->state))
        i++;
    CHECK(i < sizeof moves / sizeof *moves, "from %s to %s", rollout_state_name(r->state),
          rollout_state_name(record->state));
    if (r->state == ROLLOUT_ROLLING_BACK)
        r->policy_done = true;
    CHECK(record->value <= r->header->gate_count, "paused for gate %u", record->value);
    r->waits_gate = record->state == ROLLOUT_PAUSED ? record->value : 0;
    r->waits_when = record->setting;
    set_state(r, record->state, record);
    return ERR_OK;
}

static ErrCode apply_decision(Rollout *r, const RolloutRecord *record, Error *err)
{
    bool live = r->state == ROLLOUT_RUNNING || r->state == ROLLOUT_PAUSED;
    switch (record->kind) {
    case ROLLOUT_RECORD_STARTED:
        CHECK(r->state == ROLLOUT_APPROVED, "started in state %s", rollout_state_name(r->state));
        set_state(r, ROLLOUT_RUNNING, record);
        return ERR_OK;
    case ROLLOUT_RECORD_STOP_DECIDED:
        CHECK(live, "stopped in state %s", rollout_state_name(r->state));
        r->stop_decided = true;
        set_state(r, ROLLOUT_HALTED, record);
        return ERR_OK;
    default:
        CHECK(!r->aborting &&
                  (live || r->state == ROLLOUT_HALTED || r->state == ROLLOUT_ROLLING_BACK),
              "aborted in state %s", rollout_state_name(r->state));
        r->aborting = true;
        r->stop_decided = true;
        set_state(r, ROLLOUT_HALTED, record);
        return ERR_OK;
    }
}

static ErrCode apply_kind(Rollout *r, const RolloutRecord *record, Error *err)
{
    switch (record->kind) {
    case ROLLOUT_RECORD_STARTED:
    case ROLLOUT_RECORD_STOP_DECIDED:
    case ROLLOUT_RECORD_ABORT_DECIDED:
        return apply_decision(r, record, err);
    case ROLLOUT_RECORD_WAVE_OPENED:
        return apply_wave_opened(r, record, err);
    case ROLLOUT_RECORD_DISPATCHED:
        return apply_dispatched(r, record, err);
    case ROLLOUT_RECORD_RESENT:
    case ROLLOUT_RECORD_RECALLED:
    case ROLLOUT_RECORD_SHARD_UNKNOWN:
    case ROLLOUT_RECORD_SHARD_KNOWN:
    case ROLLOUT_RECORD_SHARD_OVERDUE:
        return apply_to_flying(r, record, err);
    case ROLLOUT_RECORD_SHARD_ENDED:
        return apply_shard_ended(r, record, err);
    case ROLLOUT_RECORD_TAKE_BACK:
        return apply_take_back(r, record, err);
    case ROLLOUT_RECORD_WAVE_BAKING:
    case ROLLOUT_RECORD_WAVE_DONE:
        return apply_wave_state(r, record, err);
    case ROLLOUT_RECORD_STATE:
        return apply_state(r, record, err);
    case ROLLOUT_RECORD_RETRIED:
        return apply_retried(r, record, err);
    case ROLLOUT_RECORD_SKIPPED:
        return apply_skipped(r, record, err);
    case ROLLOUT_RECORD_SET:
        return apply_set(r, record, err);
    case ROLLOUT_RECORD_GATE_PASSED:
        return apply_gate_passed(r, record, err);
    case ROLLOUT_RECORD_UNSPECIFIED:
    case ROLLOUT_RECORD_KIND_COUNT:
        break;
    }
    return err_set(err, ERR_JOURNAL, "a rollout record of unknown kind %u", (unsigned)record->kind);
}

ErrCode rollout_apply(Rollout *r, const RolloutRecord *record, Error *err)
{
    for (size_t i = 0; i < record->shard_count; i++)
        CHECK(record->shards[i].index < r->shard_count, "no shard %u in the plan",
              record->shards[i].index);
    CHECK(!rollout_state_is_terminal(r->state), "a record after the rollout's end");
    ErrCode code = apply_kind(r, record, err);
    if (code == ERR_OK)
        r->decided++;
    return code;
}

const char *rollout_record_kind_name(RolloutRecordKind kind)
{
    static const char *const names[ROLLOUT_RECORD_KIND_COUNT] = {
        "unspecified", "started",     "wave-opened",   "dispatched",   "resent",
        "recalled",    "shard-ended", "shard-unknown", "shard-known",  "shard-overdue",
        "take-back",   "wave-baking", "wave-done",     "stop-decided", "abort-decided",
        "state",       "retried",     "skipped",       "set",          "gate-passed"};
    return (unsigned)kind < ROLLOUT_RECORD_KIND_COUNT ? names[kind] : "unspecified";
}
