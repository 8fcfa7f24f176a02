/*
 * The gates of a rollout's yaml file: their keys, and the request's gates that they stand for.
 */
#pragma once

#include "config.h"

#include "operator.pb-c.h"

extern const ConfigTable rollout_gate_table;

/* `list` as read by that table from the list at `node`. What is wrong is told to `config`. */
void rollout_gates_read(Arena *arena, Config *config, const ConfigList *list,
                        const ConfigNode *node, Pgtide__V1__MakePlan *plan);
