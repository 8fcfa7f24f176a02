/*
 * pg_dump, pg_restore and age as child processes: where they are, what they are told, what they
 * said.
 */
#pragma once

#include "child.h"
#include "settings.h"

enum { TOOL_ARGUMENTS_MAX = 24 };

/* A command line being made; `items[0]` is the program's name. */
typedef struct ToolArgs {
    Arena *arena;
    const char *items[TOOL_ARGUMENTS_MAX];
    size_t count;
} ToolArgs;

ToolArgs tool_args(Arena *arena, const char *name);
void tool_arg(ToolArgs *args, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* As it is, of any length, borrowed. */
void tool_arg_text(ToolArgs *args, const char *text);

/* The program of the cluster's pg-bin, or the name alone: then it is looked up in PATH. */
const char *tool_program(Arena *arena, const ClusterSettings *cluster, const char *name);
/* For clients of this database. A password file is named, not read; a password that a command gave
 * is in it, until tool_environment_wipe(). With room for `more` further entries before the NULL. */
const char **tool_environment(Arena *arena, const ClusterSettings *cluster, const char *database,
                              size_t more);
/* For programs that connect to nothing. */
const char **tool_environment_offline(Arena *arena);
/* Once the client has started: its copy is then the only one. */
void tool_environment_wipe(const char *const *env);
void tool_environment_add(Arena *arena, const char **env, const char *name, const char *value);
/* In the place of what is there. */
void tool_environment_set(Arena *arena, const char **env, const char *name, const char *value);
/* The application name of clients of this life of the agent; those of former lives begin alike. */
#define TOOL_SESSION_PREFIX "pgtide backup "
const char *tool_session_name(Arena *arena);
/* What --dbname takes: the name alone could be read as a connection string. */
const char *tool_database(Arena *arena, const char *database);
/* As a pattern of pg_dump that means only this name. */
const char *tool_pattern(Arena *arena, const char *name);

/* ERR_OK when it ended with status 0, else ERR_BACKUP: how it ended, and its last words. */
ErrCode tool_result(const char *name, const ChildResult *result, Error *err) MUST_CHECK;
