/*
 * Which backups of one shard may go. A backup is kept while anything speaks for it; nothing but
 * the rules here lets one go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What speaks for a backup; the first that holds, in this order. */
typedef enum KeepReason {
    KEEP_NOTHING,         /* it may go */
    KEEP_NEWEST_VERIFIED, /* the newest of the shard that was read in full and is not damaged */
    KEEP_AT_WORK,         /* a job is at work on the shard */
    KEEP_ROLLBACK,        /* its rollout's policy may still roll the shard back */
    KEEP_COUNT,           /* one of the newest undamaged ones */
    KEEP_AGE,             /* younger than the rule says */
    KEEP_REASON_COUNT
} KeepReason;

typedef struct RetainedBackup {
    uint64_t finished_unix_ms;
    uint64_t needed_until_unix_ms; /* 0 = by no rollout */
    bool verified;
    bool damaged; /* and so of no use, whatever it was before */
} RetainedBackup;

typedef struct RetentionRules {
    uint32_t keep;        /* the newest so many; 0 = all */
    uint64_t keep_for_ms; /* and those that are not older; 0 = no such rule */
    bool at_work;
    uint64_t now_unix_ms;
} RetentionRules;

/* One reason for each backup, in their order, which is any. */
void retention_decide(const RetainedBackup *backups, size_t count, const RetentionRules *rules,
                      KeepReason *ret_reasons);

/* "the newest verified one"; "may go" */
const char *keep_reason_text(KeepReason reason);
