/*
 * What operators ask of rollouts and of the fleet while they are at work.
 */
#include "requests_asked.h"

#include "named_limits.h"

#include <string.h>

static ErrCode find_controlled(const Asked *asked, RolloutEntry **ret_entry, Error *err)
{
    const Pgtide__V1__ControlRollout *in = asked->request->control;
    const Rollouts *rollouts = asked->coordinator->rollouts;
    if (in->plan_digest.len == 0)
        return rollouts_find(rollouts, in->rollout, ret_entry, err);
    Digest digest;
    ErrCode code = proto_digest(&in->plan_digest, "plan digest", &digest, err);
    if (code != ERR_OK)
        return code;
    RolloutEntry *entry = rollouts_find_digest(rollouts, &digest);
    if (entry == NULL)
        return err_set(err, ERR_NOT_FOUND, "that plan was never submitted here");
    *ret_entry = entry;
    return ERR_OK;
}

static ErrCode read_shards(Asked *asked, const RolloutEntry *entry, RolloutCommand *command,
                           Error *err)
{
    const Pgtide__V1__ControlRollout *in = asked->request->control;
    uint32_t *shards = ARENA_ARRAY(asked->arena, uint32_t, in->n_shards + 1);
    for (size_t i = 0; i < in->n_shards; i++) {
        ErrCode code = rollout_entry_shard(entry, in->shards[i], &shards[i], err);
        if (code != ERR_OK)
            return code;
    }
    command->shards = shards;
    command->shard_count = in->n_shards;
    return ERR_OK;
}

static ErrCode read_command(Asked *asked, const RolloutEntry *entry, RolloutCommand *command,
                            Error *err)
{
    const Pgtide__V1__ControlRollout *in = asked->request->control;
    command->who = asked->signer->key.name;
    command->value = in->value;
    ErrCode code = proto_text(in->reason, "reason", &command->reason, err);
    if (code == ERR_OK)
        code = proto_count(in->n_shards, LIMIT_SHARDS_PER_REQUEST, "shards", err);
    if (code == ERR_OK)
        code = read_shards(asked, entry, command, err);
    if (code != ERR_OK || in->control != PGTIDE__V1__CONTROL__CONTROL_SET)
        return code;
    const char *setting;
    code = proto_text(in->setting, "setting", &setting, err);
    if (code != ERR_OK)
        return code;
    command->setting = rollout_setting_find(entry->core, setting);
    if (command->setting != ROLLOUT_SETTING_UNSPECIFIED)
        return ERR_OK;
    err_set(err, ERR_USAGE, "'%.80s' can't be set", setting);
    err_hint(err,
             "Settings are concurrency.fleet, .host, .cluster, .database, .labels.NAME, "
             "budget.fleet, .wave, .host, .labels.NAME, as far as the plan has them, and bake.");
    return ERR_USAGE;
}

/* What START would check, without it. */
static ErrCode check_start(Asked *asked, Error *err)
{
    RolloutEntry *entry;
    ErrCode code = find_controlled(asked, &entry, err);
    if (code == ERR_OK && entry->started)
        code = err_set(err, ERR_STATE, "rollout %s was started already", entry->header.name);
    if (code == ERR_OK)
        code = asked_check_name(asked, entry->header.name, err);
    if (code == ERR_OK)
        code = rollout_start_check(asked->coordinator, entry, err);
    return code == ERR_OK ? asked_answer_summary(asked, entry) : code;
}

static void journal_taken(void *context)
{
    asked_journal(context);
}

ErrCode handle_control(Asked *asked, Error *err)
{
    static const RolloutEventKind events[] = {
        [PGTIDE__V1__CONTROL__CONTROL_START] = ROLLOUT_EVENT_START,
        [PGTIDE__V1__CONTROL__CONTROL_PAUSE] = ROLLOUT_EVENT_PAUSE,
        [PGTIDE__V1__CONTROL__CONTROL_RESUME] = ROLLOUT_EVENT_RESUME,
        [PGTIDE__V1__CONTROL__CONTROL_ABORT] = ROLLOUT_EVENT_ABORT,
        [PGTIDE__V1__CONTROL__CONTROL_RETRY] = ROLLOUT_EVENT_RETRY,
        [PGTIDE__V1__CONTROL__CONTROL_SKIP] = ROLLOUT_EVENT_SKIP,
        [PGTIDE__V1__CONTROL__CONTROL_SET] = ROLLOUT_EVENT_SET,
    };
    const Pgtide__V1__ControlRollout *in = asked->request->control;
    RolloutEntry *entry;
    RolloutCommand command = {0};
    if (in->control == PGTIDE__V1__CONTROL__CONTROL_CHECK)
        return check_start(asked, err);
    ErrCode code =
        proto_enum((int)in->control, (int)(sizeof events / sizeof *events), "control", err);
    if (code == ERR_OK)
        code = find_controlled(asked, &entry, err);
    if (code == ERR_OK)
        code = read_command(asked, entry, &command, err);
    if (code == ERR_OK && events[in->control] == ROLLOUT_EVENT_START && !entry->started)
        code = asked_check_name(asked, entry->header.name, err);
    if (code == ERR_OK) {
        asked_concerns(asked, &entry->header.rollout_id);
        code = asked_remember(asked, err);
    }
    if (code == ERR_OK)
        code = rollouts_control(asked->coordinator->rollouts, entry, events[in->control], &command,
                                &(RolloutsTaken){journal_taken, asked}, err);
    if (code == ERR_OK)
        asked->told = entry;
    return code;
}

/* --- the fleet -------------------------------------------------------------------------------- */

/* A shard that is listed, by its name as shown, or any shard by its uuid. */
static ErrCode find_shard(const Asked *asked, const char *name, Uuid *ret_uuid, Error *err)
{
    FleetInventory *inventory = asked->coordinator->inventory;
    if (uuid_parse(name, ret_uuid) &&
        (inventory_find(inventory, ret_uuid) != NULL ||
         quarantine_find(asked->coordinator->quarantine, ret_uuid) != NULL))
        return ERR_OK;
    for (size_t i = 0; i < inventory_shard_count(inventory); i++) {
        const FleetShard *shard = inventory_shard_at(inventory, i);
        if (strcmp(shard->name, name) == 0) {
            *ret_uuid = shard->uuid;
            return ERR_OK;
        }
    }
    err_set(err, ERR_NOT_FOUND, "the fleet has no shard %.200s", name);
    err_hint(err, "`pgtide fleet shards` lists them.");
    return ERR_NOT_FOUND;
}

static ErrCode check_shard_word(const Asked *asked, const char *name, const FleetWord *word,
                                Error *err)
{
    const Quarantined *there = quarantine_find(asked->coordinator->quarantine, &word->shard);
    if (word->on && there != NULL)
        return err_set(err, ERR_STATE, "%.200s is quarantined already: %.200s", name,
                       there->reason);
    if (!word->on && there == NULL)
        return err_set(err, ERR_STATE, "%.200s is not quarantined", name);
    return ERR_OK;
}

static ErrCode read_words(Asked *asked, bool on, const char *reason, FleetWord **ret_words,
                          size_t *ret_count, Error *err)
{
    const Pgtide__V1__ControlFleet *in = asked->request->control_fleet;
    ErrCode code = proto_count(in->n_shards, LIMIT_SHARDS_PER_REQUEST, "shards", err);
    if (code == ERR_OK && in->n_shards == 0)
        code = err_set(err, ERR_USAGE, "which shards?");
    FleetWord *words = ARENA_ARRAY(asked->arena, FleetWord, in->n_shards + 1);
    for (size_t i = 0; code == ERR_OK && i < in->n_shards; i++) {
        words[i] = (FleetWord){.on = on,
                               .who = asked->signer->key.name,
                               .reason = reason,
                               .at_unix_ms = asked->coordinator->unix_ms};
        code = find_shard(asked, in->shards[i], &words[i].shard, err);
        if (code == ERR_OK)
            code = check_shard_word(asked, in->shards[i], &words[i], err);
        uint32_t index;
        const RolloutEntry *holder =
            rollouts_holder(asked->coordinator->rollouts, &words[i].shard, &index);
        if (code == ERR_OK && holder != NULL)
            asked_concerns(asked, &holder->header.rollout_id);
    }
    if (code != ERR_OK)
        return code;
    *ret_words = words;
    *ret_count = in->n_shards;
    return ERR_OK;
}

static void take_word(Asked *asked, const FleetWord *word)
{
    Coordinator *coordinator = asked->coordinator;
    coordinator_append(coordinator,
                       uuid_is_nil(&word->shard) ? JOURNAL_FLEET_BRAKED : JOURNAL_SHARD_QUARANTINED,
                       fleet_word_encode(asked->arena, word));
    coordinator_take_word(coordinator, word);
    coordinator_changed(coordinator);
}

/* A rollout at work that has the shard still before it leaves it out. One that is at it already
 * finishes: its job is told of by name. */
static const char *leave_out(const Asked *asked, const FleetWord *word)
{
    Rollouts *rollouts = asked->coordinator->rollouts;
    uint32_t index;
    RolloutEntry *entry = rollouts_holder(rollouts, &word->shard, &index);
    if (entry == NULL || !rollout_entry_is_open(entry))
        return NULL;
    RolloutCommand skip = {
        .who = word->who,
        .reason = arena_printf(asked->arena, "quarantined: %s", word->reason),
        .shards = &index,
        .shard_count = 1,
    };
    RolloutShardView view;
    if (rollouts_control(rollouts, entry, ROLLOUT_EVENT_SKIP, &skip, NULL, NULL) == ERR_OK)
        return NULL;
    rollout_shard(entry->core, index, &view);
    return view.in_flight ? entry->header.name : NULL;
}

static ErrCode control_shards(Asked *asked, bool on, const char *reason, Error *err)
{
    FleetWord *words;
    size_t count;
    ErrCode code = read_words(asked, on, reason, &words, &count, err);
    if (code == ERR_OK)
        code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_array(&json, "shards");
    for (size_t i = 0; i < count; i++) {
        take_word(asked, &words[i]);
        json_object_begin(&json);
        json_field_uuid(&json, "uuid", &words[i].shard);
        json_field_bool(&json, "quarantined", on);
        json_field_string(&json, "held_by", on ? leave_out(asked, &words[i]) : NULL);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    return ERR_OK;
}

static ErrCode control_brake(Asked *asked, bool on, const char *reason, Error *err)
{
    Coordinator *coordinator = asked->coordinator;
    if (coordinator->braked == on)
        return err_set(err, ERR_STATE,
                       on ? "the fleet's brake is on already: %.200s"
                          : "the fleet's brake is not on%s",
                       on ? coordinator->brake_reason : "");
    for (size_t i = 0; i < rollouts_count(coordinator->rollouts); i++) {
        const RolloutEntry *entry = rollouts_at(coordinator->rollouts, i);
        if (rollout_entry_is_open(entry))
            asked_concerns(asked, &entry->header.rollout_id);
    }
    ErrCode code = asked_mark_done(asked, err);
    if (code != ERR_OK)
        return code;
    FleetWord word = {.on = on,
                      .who = asked->signer->key.name,
                      .reason = reason,
                      .at_unix_ms = coordinator->unix_ms};
    take_word(asked, &word);
    rollouts_brake(coordinator->rollouts, on);
    JsonWriter json = json_writer(&asked->json);
    json_object_begin(&json);
    json_field_bool(&json, "braked", on);
    json_object_end(&json);
    return ERR_OK;
}

ErrCode handle_control_fleet(Asked *asked, Error *err)
{
    const Pgtide__V1__ControlFleet *in = asked->request->control_fleet;
    const char *reason;
    ErrCode code = proto_enum((int)in->control, PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_FORGET + 1,
                              "control", err);
    if (code == ERR_OK)
        code = proto_text(in->reason, "reason", &reason, err);
    if (code == ERR_OK && reason[0] == '\0')
        code = err_set(err, ERR_USAGE, "this needs a reason: it is kept in the journal");
    if (code != ERR_OK)
        return code;
    switch (in->control) {
    case PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_QUARANTINE:
        return control_shards(asked, true, reason, err);
    case PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_RELEASE:
        if (!operator_role_covers(asked->signer->role, OPERATOR_ROLE_ADMIN)) {
            err_set(err, ERR_REFUSED, "%s may not release shards", asked->signer->key.name);
            err_detail(err, "it needs role admin, the trust file gives %s",
                       operator_role_name(asked->signer->role));
            return ERR_REFUSED;
        }
        return control_shards(asked, false, reason, err);
    case PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_FORGET:
        return control_forget(asked, reason, err);
    default:
        return control_brake(asked, in->control == PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_BRAKE,
                             reason, err);
    }
}
