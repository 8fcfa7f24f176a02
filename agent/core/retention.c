#include "retention.h"

static const char *const texts[KEEP_REASON_COUNT] = {
    "may go",
    "the newest verified one",
    "a job is at work on the shard",
    "a rollback may need it",
    "one of the newest",
    "young enough",
};

const char *keep_reason_text(KeepReason reason)
{
    return (unsigned)reason < KEEP_REASON_COUNT ? texts[reason] : texts[KEEP_NOTHING];
}

/* Of two that ended in the same moment the later one in the list. */
static bool is_newer(const RetainedBackup *backups, size_t a, size_t b)
{
    if (backups[a].finished_unix_ms != backups[b].finished_unix_ms)
        return backups[a].finished_unix_ms > backups[b].finished_unix_ms;
    return a > b;
}

static size_t newest_verified(const RetainedBackup *backups, size_t count)
{
    size_t newest = count;
    for (size_t i = 0; i < count; i++) {
        if (!backups[i].verified || backups[i].damaged)
            continue;
        if (newest == count || is_newer(backups, i, newest))
            newest = i;
    }
    return newest;
}

/* How many undamaged ones are newer. */
static size_t rank_of(const RetainedBackup *backups, size_t count, size_t index)
{
    size_t rank = 0;
    for (size_t i = 0; i < count; i++)
        rank += !backups[i].damaged && is_newer(backups, i, index);
    return rank;
}

/* One of the future, by a clock that was wrong, is young. */
static bool is_young(const RetainedBackup *backup, const RetentionRules *rules)
{
    return rules->keep_for_ms != 0 &&
           (backup->finished_unix_ms >= rules->now_unix_ms ||
            rules->now_unix_ms - backup->finished_unix_ms < rules->keep_for_ms);
}

void retention_decide(const RetainedBackup *backups, size_t count, const RetentionRules *rules,
                      KeepReason *ret_reasons)
{
    size_t newest = newest_verified(backups, count);
    for (size_t i = 0; i < count; i++) {
        const RetainedBackup *backup = &backups[i];
        bool counts =
            !backup->damaged && (rules->keep == 0 || rank_of(backups, count, i) < rules->keep);
        ret_reasons[i] = i == newest                                         ? KEEP_NEWEST_VERIFIED
                         : rules->at_work                                    ? KEEP_AT_WORK
                         : backup->needed_until_unix_ms > rules->now_unix_ms ? KEEP_ROLLBACK
                         : counts                                            ? KEEP_COUNT
                         : is_young(backup, rules)                           ? KEEP_AGE
                                                                             : KEEP_NOTHING;
    }
}
