/*
 * Which commands an agent believes: signed by a coordinator of the trust file, for this fleet and
 * agent and this life of it, of no lower epoch than it has seen, newer than the last, in time.
 * Whatever is refused changes nothing.
 */
#pragma once

#include "message.h"
#include "trust.h"

enum { COMMAND_GUARD_COORDINATORS_MAX = 16 };

typedef struct CommandSequence {
    char keyid[KEY_ID_TEXT_SIZE];
    uint64_t epoch;
    uint64_t sequence; /* of the last accepted */
} CommandSequence;

typedef struct CommandGuard {
    const Trust *trust; /* borrows */
    const char *agent;
    BootNonce boot;
    CommandSequence sequences[COMMAND_GUARD_COORDINATORS_MAX];
    size_t sequence_count;
} CommandGuard;

typedef struct CommandClock {
    uint64_t uptime_ms;
    uint64_t unix_ms;
    uint64_t epoch; /* the highest accepted, durably */
} CommandClock;

/* Opens and checks an envelope. Does not count it as accepted. `ret_keyid` (lives in `arena`) is
 * the coordinator's. On refusal `ret_sequence` is the command's number, 0 when it is not known. */
ErrCode command_guard_check(const CommandGuard *guard, Arena *arena, const CommandClock *clock,
                            const void *bytes, size_t length, Command *ret_command,
                            const char **ret_keyid, uint64_t *ret_sequence, Error *err) MUST_CHECK;
/* Counts a command that was checked: it and what came before it is refused from now on. */
void command_guard_accept(CommandGuard *guard, const Command *command, const char *keyid);
