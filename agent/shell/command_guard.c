#include "command_guard.h"

#include "message_codec.h"

#include <string.h>

static const CommandSequence *find(const CommandGuard *guard, const char *keyid)
{
    for (size_t i = 0; i < guard->sequence_count; i++)
        if (strcmp(guard->sequences[i].keyid, keyid) == 0)
            return &guard->sequences[i];
    return NULL;
}

static ErrCode check_address(const CommandGuard *guard, const Command *command, Error *err)
{
    const BootNonce *boot =
        command->kind == COMMAND_WELCOME ? &command->welcome.agent_boot : &command->agent_boot;
    if (!uuid_equal(&command->fleet_id, trust_fleet_id(guard->trust)))
        return err_set(err, ERR_REFUSED, "the command is for another fleet");
    if (strcmp(command->agent, guard->agent) != 0)
        return err_set(err, ERR_REFUSED, "the command is for agent '%s'", command->agent);
    if (!uuid_equal(boot, &guard->boot))
        return err_set(err, ERR_STALE, "the command is for another life of this agent");
    return ERR_OK;
}

static ErrCode check_time(const CommandGuard *guard, const CommandClock *clock,
                          const Command *command, const char *keyid, Error *err)
{
    if (command->epoch < clock->epoch)
        return err_set(err, ERR_STALE, "epoch %llu is over, this agent has seen %llu",
                       (unsigned long long)command->epoch, (unsigned long long)clock->epoch);
    const CommandSequence *last = find(guard, keyid);
    if (last == NULL && guard->sequence_count == COMMAND_GUARD_COORDINATORS_MAX)
        return err_set(err, ERR_LIMIT, "too many coordinators");
    if (last != NULL && last->epoch > command->epoch)
        return err_set(err, ERR_STALE, "the command is of an older epoch");
    if (last != NULL && last->epoch == command->epoch && last->sequence >= command->sequence)
        return err_set(err, ERR_STALE, "command %llu is not newer than %llu",
                       (unsigned long long)command->sequence, (unsigned long long)last->sequence);
    if (clock->uptime_ms > command->not_after_uptime_ms)
        return err_set(err, ERR_STALE, "the command came %llu ms too late",
                       (unsigned long long)(clock->uptime_ms - command->not_after_uptime_ms));
    uint64_t skew = clock->unix_ms > command->sent_unix_ms ? clock->unix_ms - command->sent_unix_ms
                                                           : command->sent_unix_ms - clock->unix_ms;
    if ((command->kind == COMMAND_RUN || command->kind == COMMAND_LOOK) &&
        skew > LIMIT_CLOCK_SKEW_MS) {
        err_set(err, ERR_STALE, "this host's clock and the coordinator's differ by %llu s",
                (unsigned long long)(skew / 1000));
        err_hint(err, "Set the clocks (NTP); approvals expire by them.");
        return ERR_STALE;
    }
    return ERR_OK;
}

ErrCode command_guard_check(const CommandGuard *guard, Arena *arena, const CommandClock *clock,
                            const void *bytes, size_t length, Command *ret_command,
                            const char **ret_keyid, uint64_t *ret_sequence, Error *err)
{
    *ret_sequence = 0;
    const uint8_t *payload;
    size_t payload_length;
    Signers *signers = ARENA_NEW(arena, Signers);
    ErrCode code = envelope_open(arena, bytes, length, MESSAGE_COMMAND, trust_lookup_coordinator,
                                 (void *)guard->trust, &payload, &payload_length, signers, err);
    if (code != ERR_OK)
        return code;
    Command command;
    code = command_decode(arena, payload, payload_length, &command, err);
    if (code != ERR_OK)
        return code;
    *ret_sequence = command.sequence;
    const char *keyid = signers->items[0].keyid;
    code = check_address(guard, &command, err);
    if (code == ERR_OK)
        code = check_time(guard, clock, &command, keyid, err);
    if (code != ERR_OK)
        return code;
    *ret_command = command;
    *ret_keyid = keyid;
    return ERR_OK;
}

void command_guard_accept(CommandGuard *guard, const Command *command, const char *keyid)
{
    CommandSequence *last = (CommandSequence *)find(guard, keyid);
    if (last == NULL) {
        last = &guard->sequences[guard->sequence_count++];
        *last = (CommandSequence){0};
        memcpy(last->keyid, keyid, strnlen(keyid, sizeof last->keyid - 1));
    }
    last->epoch = command->epoch;
    last->sequence = command->sequence;
}
