#include "rollout_spec_parts.h"

#include "proto_read.h"

static const ConfigField contract_fields[] = {
    FIELD(ContractPart, "gate", CONFIG_STRING, gate, .max = 63, .without = "none",
          .help = "name of the gate, `when: before`, that says that the application of before the "
                  "expand steps is gone; needed where there are contract steps",
          .example = "\"old application gone\""),
    FIELD(ContractPart, "shards", CONFIG_STRING, shards, .without = "every shard of the fleet",
          .help = "which shards must have expanded", .example = "\"app = forge\""),
};
const ConfigTable rollout_contract_table = {.fields = contract_fields,
                                            .count =
                                                sizeof contract_fields / sizeof contract_fields[0],
                                            .size = sizeof(ContractPart)};

void rollout_contract_read(Arena *arena, const ContractPart *part, Pgtide__V1__MakePlan *plan)
{
    if (part->gate[0] == '\0' && part->shards[0] == '\0')
        return;
    plan->contract = ARENA_NEW(arena, Pgtide__V1__Contract);
    pgtide__v1__contract__init(plan->contract);
    plan->contract->gate = proto_from_text(part->gate);
    plan->contract->shards = proto_from_text(part->shards);
}
