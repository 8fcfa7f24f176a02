#include "blob_sweep.h"

#include "coordinator.h"
#include "drifting.h"

#include <string.h>

enum { DAY_MS = 24 * 60 * 60 * 1000 };

typedef struct Sweep {
    Coordinator *coordinator;
    size_t removed;
} Sweep;

static bool is_needed(const Coordinator *coordinator, const Digest *digest)
{
    for (size_t i = 0; i < rollouts_count(coordinator->rollouts); i++) {
        const RolloutEntry *entry = rollouts_at(coordinator->rollouts, i);
        if (digest_equal(digest, &entry->plan_blob) || digest_equal(digest, &entry->bundle_blob) ||
            (entry->started && digest_equal(digest, &entry->dossier)))
            return true;
    }
    return drifting_needs_blob(coordinator, digest);
}

static void look_at(void *context, const Digest *digest, uint64_t written_unix_ms)
{
    Sweep *sweep = context;
    Coordinator *coordinator = sweep->coordinator;
    Error err;
    if (written_unix_ms + DAY_MS > coordinator->unix_ms || is_needed(coordinator, digest))
        return;
    if (blob_remove(coordinator->blobs, digest, &err) != ERR_OK)
        log_failure(LOG_WARN, "blob.not_removed", &err, NULL);
    else
        sweep->removed++;
}

void blobs_sweep(Coordinator *coordinator)
{
    Sweep sweep = {.coordinator = coordinator};
    Error err;
    if (blob_visit(coordinator->blobs, look_at, &sweep, &err) != ERR_OK)
        log_failure(LOG_WARN, "blob.not_listed", &err, NULL);
    if (sweep.removed > 0)
        log_event(LOG_INFO, "blob.swept", "removed", LOG_UINT(sweep.removed), NULL);
}
