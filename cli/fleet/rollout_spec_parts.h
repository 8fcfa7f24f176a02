/*
 * Parts of a rollout's yaml file that are read beside rollout_spec.c: their keys, and what they
 * stand for in the request. Internal.
 *
 * `list` is as read by the part's table from the list at `node`. What is wrong is told to `config`.
 */
#pragma once

#include "config.h"
#include "rollout_spec.h"

#define FIELD(type, yaml, field_kind, member, ...)                                                 \
    {                                                                                              \
        .key = (yaml), .kind = (field_kind), .offset = offsetof(type, member), __VA_ARGS__         \
    }

extern const ConfigTable rollout_gate_table;
void rollout_gates_read(Arena *arena, Config *config, const ConfigList *list,
                        const ConfigNode *node, Pgtide__V1__MakePlan *plan);

extern const ConfigTable rollout_require_table;
void rollout_requires_read(Arena *arena, Config *config, const ConfigList *list,
                           const ConfigNode *node, RolloutSpec *spec);

typedef struct ContractPart {
    const char *gate;
    const char *shards;
} ContractPart;
extern const ConfigTable rollout_contract_table;
void rollout_contract_read(Arena *arena, const ContractPart *part, Pgtide__V1__MakePlan *plan);

Pgtide__V1__Label **rollout_labels_make(Arena *arena, const LabelList *labels); /* rollout_spec.c */
