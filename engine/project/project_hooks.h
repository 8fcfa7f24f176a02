/*
 * The part of pgtide.yaml that says what else runs when a database is migrated:
 *
 *   hooks:
 *     before-run:
 *       - sql: "SELECT set_maintenance(true)"
 *     after-revision:
 *       - command: ["./notify", "moved"]
 */
#pragma once

#include "config.h"
#include "split.h"

typedef enum HookMoment {
    HOOK_BEFORE_RUN,
    HOOK_AFTER_RUN, /* also when the run failed */
    HOOK_BEFORE_REVISION,
    HOOK_AFTER_REVISION,
    HOOK_MOMENT_COUNT
} HookMoment;

/* Statements, run in one transaction of the migrating session, or a program without a shell. */
typedef struct Hook {
    const char *file; /* pgtide.yaml, and the line of the item */
    int line;
    StatementList statements;
    StrList command; /* the program and its arguments; none: statements */
} Hook;

typedef struct HookList {
    Hook *items;
    size_t count;
} HookList;

typedef struct ProjectHooks {
    HookList at[HOOK_MOMENT_COUNT];
    uint32_t timeout_ms; /* `hook-timeout`, of each hook */
} ProjectHooks;

const char *hook_moment_name(HookMoment moment); /* "before-run" */

/* Reads the value of `hooks`; what is wrong with it is added to the config's problems. */
void project_hooks_read(Arena *arena, Config *config, const char *file, const ConfigNode *node,
                        ProjectHooks *out);
