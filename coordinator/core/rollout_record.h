/*
 * The facts a rollout journals. Its state is the fold of these: rollout_replay() applies them after
 * a restart, and rollout_step() changes state only by applying one it has just decided. The same
 * fields as RolloutRecord in proto/journal.proto; values of the enum are on disk and never reused.
 *
 * A record made by rollout_step() lives in the effects' arena or borrows from the event.
 */
#pragma once

#include "message.h"

typedef enum RolloutRecordKind {
    ROLLOUT_RECORD_UNSPECIFIED = 0,
    ROLLOUT_RECORD_STARTED = 1,       /* who, reason; running */
    ROLLOUT_RECORD_WAVE_OPENED = 2,   /* wave */
    ROLLOUT_RECORD_DISPATCHED = 3,    /* shards {index, generation, direction, attempt} */
    ROLLOUT_RECORD_RESENT = 4,        /* shards: their agent has a new boot, they are sent again */
    ROLLOUT_RECORD_RECALLED = 5,      /* shards: dispatched, then stopped before they were sent */
    ROLLOUT_RECORD_SHARD_ENDED = 6,   /* one shard, with all that its agent said */
    ROLLOUT_RECORD_SHARD_UNKNOWN = 7, /* one shard: its agent does not know yet, and reads on */
    ROLLOUT_RECORD_SHARD_KNOWN = 8,   /* one shard: was unknown, has been read, goes on */
    ROLLOUT_RECORD_SHARD_OVERDUE = 9, /* shards: in doubt past the deadline; they count as failed */
    ROLLOUT_RECORD_TAKE_BACK = 10,    /* shards: to be rolled back, with their new generation */
    ROLLOUT_RECORD_WAVE_BAKING = 11,  /* wave: all its shards have ended */
    ROLLOUT_RECORD_WAVE_DONE = 12,    /* wave */
    ROLLOUT_RECORD_STOP_DECIDED = 13, /* wave, reason; halted; no forward dispatch from here on */
    ROLLOUT_RECORD_ABORT_DECIDED = 14, /* who, reason; halted until nothing is in flight */
    ROLLOUT_RECORD_STATE = 15,         /* state, who, reason; paused by a gate: setting = when,
                                          value = gate + 1 */
    ROLLOUT_RECORD_RETRIED = 16,       /* shards, who, reason: failed or skipped, wanted again */
    ROLLOUT_RECORD_SKIPPED = 17,       /* shards, who, reason: left out until they are retried */
    ROLLOUT_RECORD_SET = 18,           /* setting, value, who, reason */
    ROLLOUT_RECORD_GATE_PASSED = 19,   /* wave, setting = when, value = gate, who, reason */
    ROLLOUT_RECORD_KIND_COUNT
} RolloutRecordKind;

/* Which fields are used depends on the record's kind; the others are zero or ''. */
typedef struct RolloutShardRecord {
    uint32_t index;
    uint32_t generation;
    Direction direction;
    uint32_t attempt;
    JobOutcome outcome;
    uint32_t steps_done;
    const char *revision; /* texts may be NULL in a record made here: the same as '' */
    const char *code;
    const char *sqlstate;
    const char *message;
    bool has_backup;
    BackupInfo backup;
    uint64_t duration_ms;
    StrList rows;
} RolloutShardRecord;

typedef struct RolloutRecord {
    uint64_t number; /* 1, 2, 3... within its rollout; counted, not stored */
    RolloutRecordKind kind;
    uint64_t at_unix_ms;
    uint32_t wave;
    RolloutState state;
    const char *who;
    const char *reason;
    RolloutShardRecord *shards;
    size_t shard_count;
    uint32_t setting; /* RolloutSetting; with GATE_PASSED, GATE_BEFORE or GATE_AFTER */
    uint32_t value;
} RolloutRecord;

const char *rollout_record_kind_name(RolloutRecordKind kind); /* "wave-opened" */
