/* An operator's word about shards and the whole fleet: quarantine, release, forget, the brake. */
#include "client.h"

#include "proto_read.h"

#include <string.h>

static ErrCode fleet_send(CommandContext *context, Pgtide__V1__FleetControl control,
                          size_t first_shard, ClientAnswer *ret_answer, Error *err)
{
    const char *reason = context_option(context, "reason");
    if (reason == NULL || reason[0] == '\0') {
        err_set(err, ERR_USAGE, "this needs --reason TEXT: it is kept in the journal");
        return ERR_USAGE;
    }
    Pgtide__V1__ControlFleet message = PGTIDE__V1__CONTROL_FLEET__INIT;
    message.control = control;
    message.reason = proto_from_text(reason);
    message.n_shards = context->arguments.count - first_shard;
    message.shards = ARENA_ARRAY(context->arena, char *, message.n_shards + 1);
    for (size_t i = 0; i < message.n_shards; i++)
        message.shards[i] =
            arena_strdup(context->arena, context_argument(context, first_shard + i));
    AUTO_CLIENT Client *client = NULL;
    ErrCode code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_CONTROL_FLEET;
    request.control_fleet = &message;
    code = client_request(client, &request, ret_answer, err);
    if (code == ERR_OK)
        str_append(&context->json_result, ret_answer->json);
    return code;
}

static ErrCode run_shards(CommandContext *context, Pgtide__V1__FleetControl control,
                          const char *done, Error *err)
{
    ClientAnswer answer;
    ErrCode code = fleet_send(context, control, 0, &answer, err);
    if (code != ERR_OK)
        return code;
    const json_t *shards = json_object_get(answer.result, "shards");
    for (size_t i = 0; i < json_array_size(shards); i++) {
        const char *holder = answer_text(json_array_get(shards, i), "held_by");
        say(context, "%s: %s", context_argument(context, i), done);
        if (holder[0] != '\0')
            note(context, "rollout %s is at work on %s and finishes its job", holder,
                 context_argument(context, i));
    }
    return ERR_OK;
}

static ErrCode run_quarantine(CommandContext *context, Error *err)
{
    return run_shards(context, PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_QUARANTINE, "quarantined",
                      err);
}

static ErrCode run_release(CommandContext *context, Error *err)
{
    return run_shards(context, PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_RELEASE, "released", err);
}

static ErrCode run_forget(CommandContext *context, Error *err)
{
    return run_shards(context, PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_FORGET, "forgotten", err);
}

static ErrCode run_brake(CommandContext *context, Error *err)
{
    const char *word = context_argument(context, 0);
    bool on = strcmp(word, "on") == 0;
    if (!on && strcmp(word, "off") != 0) {
        err_set(err, ERR_USAGE, "the brake is put `on` or taken `off`, not '%.40s'", word);
        return ERR_USAGE;
    }
    ClientAnswer answer;
    ErrCode code = fleet_send(context,
                              on ? PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_BRAKE
                                 : PGTIDE__V1__FLEET_CONTROL__FLEET_CONTROL_UNBRAKE,
                              1, &answer, err);
    if (code == ERR_OK)
        say(context, "%s",
            on ? "the brake is on: nothing starts, jobs in flight finish their step"
               : "the brake is off: rollouts go on");
    return code;
}

static const CommandOption options[] = {
    {"reason", 0, "TEXT", "why; kept in the journal"},
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_fleet_quarantine = {
    .words = "fleet quarantine",
    .arguments = "SHARD...",
    .arguments_min = 1,
    .arguments_max = 1000,
    .summary = "let no rollout touch these shards (needs --reason)",
    .details = "A rollout at work that has not begun with a shard leaves it out; one that has "
               "finishes its job there.",
    .options = options,
    .run = run_quarantine,
};
const CliCommand cmd_fleet_release = {
    .words = "fleet release",
    .arguments = "SHARD...",
    .arguments_min = 1,
    .arguments_max = 1000,
    .summary = "end the quarantine of shards (needs --reason, role admin)",
    .details =
        "Also of those that a rollout left diverged or with a failed downgrade: look at them "
        "first, `pgtide current --verbose` on the database tells where it stands. A halted rollout "
        "holds its shards until `rollout abort`.",
    .options = options,
    .run = run_release,
};
const CliCommand cmd_fleet_forget = {
    .words = "fleet forget",
    .arguments = "SHARD...",
    .arguments_min = 1,
    .arguments_max = 1000,
    .summary = "forget shards that no agent lists any more (needs --reason, role admin)",
    .details = "Refused while an agent lists it: take it out of the agent's configuration or "
               "discovery first. Its database, if there still is one, is not touched.",
    .options = options,
    .run = run_forget,
};
const CliCommand cmd_fleet_brake = {
    .words = "fleet brake",
    .arguments = "on|off",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "hold every rollout at once, or let them go on (needs --reason)",
    .details = "With the brake on no job starts anywhere, forward or back; jobs in flight finish "
               "their step. It outlives a restart of the coordinator.",
    .options = options,
    .run = run_brake,
};
