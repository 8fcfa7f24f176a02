#include "backup_size.h"

#include <stddef.h>

enum {
    PLAIN_PERCENT = 100,
    COMPRESSED_PERCENT = 60,
    GROWTH_PERCENT = 125,
};

/* Without overflow where the result fits. */
static uint64_t percent_of(uint64_t bytes, uint64_t percent)
{
    uint64_t whole = bytes / 100;
    if (whole > UINT64_MAX / percent - 100)
        return UINT64_MAX;
    return whole * percent + bytes % 100 * percent / 100;
}

uint64_t backup_size_estimate(uint64_t database_bytes, uint32_t compress,
                              const BackupMeasure *former)
{
    if (former != NULL && former->database_bytes > 0 && former->size_bytes > 0 &&
        (former->compress == 0) == (compress == 0)) {
        double ratio = (double)former->size_bytes / (double)former->database_bytes;
        double bytes = (double)database_bytes * ratio;
        if (bytes < (double)(UINT64_MAX / 4))
            return percent_of((uint64_t)bytes, GROWTH_PERCENT);
    }
    return percent_of(database_bytes, compress == 0 ? PLAIN_PERCENT : COMPRESSED_PERCENT);
}
