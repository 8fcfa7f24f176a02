/*
 * Backups by a command of agent.yaml: what it is told, by its environment, and what it answers, in
 * the last line of its output.
 */
#pragma once

#include "child.h"
#include "manifest.h"
#include "settings.h"

/* The last line of a command's output: all of it goes by, the end is kept. */
typedef struct CommandTail {
    char bytes[4096];
    size_t length;
} CommandTail;

void command_tail_add(CommandTail *tail, const char *bytes, size_t length);

/* What any of its command lines is told of the backup. `id` may be ''. Ended by NULL, in `arena`;
 * no secret is in it: the password file is named, not read. */
const char **command_environment(Arena *arena, const ClusterSettings *cluster,
                                 const Manifest *manifest);

/* {"id": "...", "size_bytes": 123} in the last line. ERR_BACKUP when it is not there. */
ErrCode command_answer(Arena *arena, const CommandTail *tail, Manifest *manifest,
                       Error *err) MUST_CHECK;
