/*
 * The works of upgrade, downgrade and stamp on one database:
 *
 *   read -> plan -> claim -> plan again if something moved -> before-run hooks
 *        -> [before-revision hooks -> step -> after-revision hooks]* -> after-run hooks
 *
 * The plan is made once before anything is written, so that a wrong target changes nothing, and
 * again on what the claim found when that is something else.
 */
#pragma once

#include "run.h"

/* Of RunWork. */
void run_migrate_begin(Run *run);
void run_migrate_say(Run *run);
void run_migrate_json(Run *run, JsonWriter *json);

/* Of the commands that run steps, beside RUN_WRITE_OPTIONS. */
#define RUN_MIGRATE_OPTIONS                                                                        \
    {"set", 'x', "NAME=VALUE", "the value of a placeholder (repeatable)"},                         \
        {"single-transaction", 0, NULL, "all steps in one transaction: all of them or none"},      \
        {"dry-run", 0, NULL, "run all steps in one transaction and roll it back"},                 \
        {"strict", 0, NULL, "refuse when an applied revision's file was changed (exit status 3)"}, \
    {                                                                                              \
        "no-hooks", 0, NULL, "leave out the hooks of pgtide.yaml"                                  \
    }

#define RUN_MIGRATE_DETAILS                                                                        \
    "Everything is planned and checked before the first statement is sent. Two runs on one shard " \
    "do not mix: the second waits (--wait), then looks again. Ctrl-C rolls the step in hand back " \
    "and says where the shard stands; a second one stops waiting for the server.\n\n"              \
    "--dry-run runs all steps in one transaction and rolls it back (numbers that sequences gave "  \
    "out stay used); steps that are "                                                              \
    "`transaction: none`, and those behind them, can't be tried. Hooks are left out."
