#include "drifting.h"

#include "coordinator.h"

enum { VERSION_MAJOR = 10000, SHORT_DIGITS = 12 };

static const char *why_unknown(const Coordinator *coordinator, const FleetShard *shard)
{
    const char *message;
    ShardState state = coordinator_shard_state(coordinator, shard, &message, NULL);
    if (state == SHARD_UNREACHABLE)
        return message;
    if (shard->fault != SHARD_FAULT_NONE)
        return shard->fault_text;
    if (!digest_is_zero(&shard->fingerprint) && shard->server_version != 0)
        return NULL;
    return shard->fingerprint_message[0] == '\0' ? "not read yet" : shard->fingerprint_message;
}

DriftShard drifting_shard(const Coordinator *coordinator, const FleetShard *shard)
{
    DriftShard out = {
        .uuid = shard->uuid,
        .name = shard->name,
        .place = {.rows = shard->rows,
                  .in_schema = shard->schema[0] != '\0',
                  .major = shard->server_version / VERSION_MAJOR},
        .fingerprint = shard->fingerprint,
        .why = why_unknown(coordinator, shard),
    };
    if (out.why != NULL)
        out.fingerprint = (Digest){{0}};
    return out;
}

DriftJudgement drifting_judge(const Coordinator *coordinator, const FleetShard *shard)
{
    DriftShard seen = drifting_shard(coordinator, shard);
    return drift_judge(coordinator->drift, &seen);
}

const char *drifting_reason(Arena *arena, const FleetShard *shard, const DriftJudgement *judgement)
{
    char is[FINGERPRINT_TEXT_SIZE], expected[FINGERPRINT_TEXT_SIZE];
    if (judgement->expectation == NULL)
        return judgement->why;
    fingerprint_format(&shard->fingerprint, is);
    fingerprint_format(&judgement->expectation->fingerprint, expected);
    return arena_printf(arena, "its schema has drifted: it is %.*s..., and %.*s... is expected",
                        SHORT_DIGITS + 3, is, SHORT_DIGITS + 3, expected);
}

bool drifting_needs_blob(const Coordinator *coordinator, const Digest *blob)
{
    for (size_t i = 0; i < drift_expectation_count(coordinator->drift); i++) {
        if (digest_equal(&drift_expectation_at(coordinator->drift, i)->dump, blob))
            return true;
    }
    return false;
}
