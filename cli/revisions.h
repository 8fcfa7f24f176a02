/*
 * A project's revisions as trials need them: the plain graph, in which nothing from before stands
 * for them, with the values of their placeholders put in.
 */
#pragma once

#include "command.h"
#include "project.h"

#define REVISIONS_OPTION                                                                           \
    {                                                                                              \
        "set", 'x', "NAME=VALUE", "the value of a placeholder (repeatable)"                        \
    }

typedef struct Revisions {
    Project project;
    RevisionMap *map;   /* with baselines and repeatables */
    RevisionMap *plain; /* revisions only */
    StrList assignments;
} Revisions;

ErrCode revisions_open(CommandContext *context, Revisions *ret, Error *err) MUST_CHECK;
/* Upgrades from nothing to `target`, revision by revision, and their scripts are bound. */
ErrCode revisions_steps(CommandContext *context, const Revisions *revisions, const char *target,
                        GraphSteps *ret_steps, Error *err) MUST_CHECK;
