#include "contract_codec.h"

#include "named_limits.h"
#include "proto_read.h"

#include <string.h>

static bool has_gate(const char *name, const GatePlan *gates, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(gates[i].name, name) == 0 && (gates[i].when & GATE_BEFORE) != 0)
            return true;
    }
    return false;
}

ErrCode contract_decode(Arena *arena, const Pgtide__V1__Contract *in, const GatePlan *gates,
                        size_t gate_count, ContractPlan *out, Error *err)
{
    *out = (ContractPlan){.gate = "", .shards = ""};
    if (in == NULL)
        return ERR_OK;
    ErrCode code = proto_text(in->gate, "gate of contract steps", &out->gate, err);
    if (code == ERR_OK)
        code = proto_text(in->shards, "shards of contract steps", &out->shards, err);
    if (code == ERR_OK)
        code = proto_revisions(arena, in->contracts, in->n_contracts, LIMIT_PLAN_PHASES, true,
                               "contract revisions", &out->contracts, err);
    if (code == ERR_OK)
        code = proto_revisions(arena, in->expands, in->n_expands, LIMIT_PLAN_PHASES, true,
                               "expand revisions", &out->expands, err);
    if (code == ERR_OK && (in->gate[0] != '\0' || out->contracts.count > 0) &&
        !has_gate(out->gate, gates, gate_count)) {
        code = err_set(err, ERR_CONFIG,
                       "contract steps name the gate '%s': no gate before the waves", out->gate);
        err_hint(err, "Give a gate of this name `when: before`.");
    }
    return code;
}

static char **texts(Arena *arena, const StrList *list)
{
    char **items = ARENA_ARRAY(arena, char *, list->count + 1);
    for (size_t i = 0; i < list->count; i++)
        items[i] = proto_from_text(list->items[i]);
    return items;
}

Pgtide__V1__Contract *contract_encode(Arena *arena, const ContractPlan *contract)
{
    if (contract->contracts.count == 0)
        return NULL;
    Pgtide__V1__Contract *out = ARENA_NEW(arena, Pgtide__V1__Contract);
    pgtide__v1__contract__init(out);
    out->gate = proto_from_text(contract->gate);
    out->shards = proto_from_text(contract->shards);
    out->n_contracts = contract->contracts.count;
    out->contracts = texts(arena, &contract->contracts);
    out->n_expands = contract->expands.count;
    out->expands = texts(arena, &contract->expands);
    return out;
}
