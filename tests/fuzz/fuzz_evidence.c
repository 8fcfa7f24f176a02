/*
 * Evidence from anywhere. The first byte picks what the rest is: a file as it comes, or the records
 * of a file that a true coordinator's key has signed, since a lying coordinator may be the
 * attacker.
 *
 * Beyond "does not crash": nothing that nobody signed is genuine, and what is genuine is of the
 * plan that was signed, with as many approvals as it asks for if it was started.
 */
#include "evidence_check.h"
#include "evidence_world.h"

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void fuzz_file(const EvidenceWorld *world, Arena *arena, const uint8_t *bytes, size_t length)
{
    EvidenceSummary summary;
    Error err;
    if (evidence_check(arena, bytes, length, world->trust, &summary, &err) == ERR_OK)
        evidence_summary_done(&summary); /* a seed as it is */
    else
        require(err.message[0] != '\0');
}

static void fuzz_records(EvidenceWorld *world, Arena *arena, const uint8_t *data, size_t size)
{
    EvidenceSummary summary;
    Error err;
    ByteSpan file = world_evidence(world, arena, data, size);
    if (evidence_check(arena, file.bytes, file.length, world->trust, &summary, &err) != ERR_OK) {
        require(err.message[0] != '\0');
        return;
    }
    require(digest_equal(&summary.plan_digest, &world->plan_digest));
    require(!summary.started || summary.approval_count > 0);
    for (uint32_t i = 0; i < WORLD_SHARDS; i++) {
        RolloutShardView view;
        rollout_shard(summary.core, i, &view);
        require(view.outcome == OUTCOME_UNSPECIFIED || summary.report_count > 0);
    }
    evidence_summary_done(&summary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static EvidenceWorld *world;
    if (world == NULL)
        world = evidence_world();
    if (size == 0)
        return 0;
    AUTO_ARENA Arena *arena = arena_new();
    /* A copy of its own size, so that the address sanitizer sees a read past its end. */
    size_t length = size - 1;
    uint8_t *bytes = malloc(length > 0 ? length : 1);
    require(bytes != NULL);
    memcpy(bytes, data + 1, length);
    if (data[0] % 2 == 0)
        fuzz_file(world, arena, bytes, length);
    else
        fuzz_records(world, arena, bytes, length);
    free(bytes);
    return 0;
}
