#include "codec_common.h"

#include "named_limits.h"

#include <string.h>

/* Enums of the proto files and of the domain have the same values by construction. */
_Static_assert((int)PGTIDE__V1__DIRECTION__DIRECTION_RESTORE == (int)DIRECTION_RESTORE, "");
_Static_assert((int)PGTIDE__V1__ON_SHARD_FAILURE__ON_SHARD_FAILURE_ROLLBACK ==
                   (int)ON_SHARD_FAILURE_ROLLBACK,
               "");
_Static_assert((int)PGTIDE__V1__ON_FAILURE__ON_FAILURE_ROLLBACK_ROLLOUT ==
                   (int)ON_FAILURE_ROLLBACK_ROLLOUT,
               "");
_Static_assert((int)PGTIDE__V1__BACKUP_METHOD__BACKUP_METHOD_COMMAND == (int)BACKUP_METHOD_COMMAND,
               "");
_Static_assert((int)PGTIDE__V1__VERDICT__VERDICT_REJECTED == (int)VERDICT_REJECTED, "");

static bool label_text_is_valid(const char *text, bool or_empty)
{
    size_t length = strlen(text);
    return length <= LIMIT_LABEL_BYTES && (or_empty || length > 0);
}

ErrCode labels_decode(Arena *arena, Pgtide__V1__Label *const *items, size_t count, LabelList *out,
                      Error *err)
{
    CHECK(proto_count(count, LIMIT_LABELS, "labels", err));
    Label *labels = ARENA_ARRAY(arena, Label, count + 1);
    for (size_t i = 0; i < count; i++) {
        if (!label_text_is_valid(items[i]->key, false) ||
            !label_text_is_valid(items[i]->value, true)) {
            return err_set(err, ERR_PROTOCOL, "a label is empty or longer than %d bytes",
                           LIMIT_LABEL_BYTES);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(labels[j].key, items[i]->key) == 0) {
                return err_set(err, ERR_PROTOCOL, "label %s is there twice", labels[j].key);
            }
        }
        labels[i] = (Label){items[i]->key, items[i]->value};
    }
    *out = (LabelList){labels, count};
    return ERR_OK;
}

Pgtide__V1__Label **labels_encode(Arena *arena, const LabelList *labels)
{
    Pgtide__V1__Label **items = ARENA_ARRAY(arena, Pgtide__V1__Label *, labels->count + 1);
    for (size_t i = 0; i < labels->count; i++) {
        items[i] = ARENA_NEW(arena, Pgtide__V1__Label);
        pgtide__v1__label__init(items[i]);
        items[i]->key = proto_from_text(labels->items[i].key);
        items[i]->value = proto_from_text(labels->items[i].value);
    }
    return items;
}

/* Only what can be carried out: each field belongs to a method. */
static ErrCode backup_policy_decode(const Pgtide__V1__BackupPolicy *in, BackupPolicy *out,
                                    Error *err)
{
    CHECK(proto_enum((int)in->method, BACKUP_METHOD_COUNT, "backup method", err));
    BackupPolicy policy = {
        .method = (BackupMethod)in->method,
        .compress = in->compress,
        .verify = in->verify,
        .keep = in->keep,
        .command = in->command,
        .jobs = in->jobs,
        .encrypt = in->encrypt,
        .restore_test = in->restore_test,
    };
    bool is_command = policy.method == BACKUP_METHOD_COMMAND;
    bool is_dump = policy.method == BACKUP_METHOD_DUMP;
    bool is_directory = policy.method == BACKUP_METHOD_DIRECTORY;
    if (is_command ? !name_is_valid(policy.command) : policy.command[0] != '\0') {
        return err_set(err, ERR_PROTOCOL, "a backup policy whose command is not a name");
    }
    if (policy.compress > LIMIT_BACKUP_COMPRESS || policy.jobs > LIMIT_BACKUP_JOBS) {
        return err_set(err, ERR_LIMIT, "backups compress by at most %d, with at most %d jobs",
                       LIMIT_BACKUP_COMPRESS, LIMIT_BACKUP_JOBS);
    }
    if ((policy.encrypt && !is_dump) || (policy.restore_test && !is_dump && !is_directory)) {
        return err_set(err, ERR_PROTOCOL, "a backup policy that its method can't keep");
    }
    *out = policy;
    return ERR_OK;
}

static ErrCode concurrency_decode(const Pgtide__V1__Concurrency *in, Concurrency *out, Error *err)
{
    *out = (Concurrency){.fleet = in->fleet,
                         .host = in->host,
                         .cluster = in->cluster,
                         .database = in->database,
                         .label_count = in->n_labels};
    CHECK(proto_count(in->n_labels, LABEL_CAPS_MAX, "label caps", err));
    for (size_t i = 0; i < in->n_labels; i++) {
        CHECK(proto_identifier(in->labels[i]->label, "label", false, &out->labels[i].label, err));
        out->labels[i].cap = in->labels[i]->cap;
        if (in->labels[i]->cap == 0) {
            return err_set(err, ERR_PROTOCOL, "a cap of 0 on label %s", in->labels[i]->label);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(out->labels[k].label, out->labels[i].label) == 0) {
                return err_set(err, ERR_PROTOCOL, "two caps on label %s", in->labels[i]->label);
            }
        }
    }
    return ERR_OK;
}

static ErrCode backfill_decode(const Pgtide__V1__Backfill *in, BackfillPolicy *out, Error *err)
{
    if (in->target_ms > LIMIT_BATCH_TARGET_MS || in->replica_lag_ms > LIMIT_BACKFILL_LAG_MS)
        return err_set(err, ERR_LIMIT, "a time of the backfill's is beyond its limit");
    *out = (BackfillPolicy){
        .target_ms = in->target_ms,
        .replica_lag_ms = in->replica_lag_ms,
        .wal_bytes_per_s = in->wal_bytes_per_s,
        .archive_files = in->archive_files,
        .sessions = in->sessions,
        .ignore_vacuum = in->ignore_vacuum,
    };
    return proto_text(in->query, "backfill query", &out->query, err);
}

Pgtide__V1__Backfill *backfill_encode(Arena *arena, const BackfillPolicy *policy)
{
    Pgtide__V1__Backfill *out = ARENA_NEW(arena, Pgtide__V1__Backfill);
    pgtide__v1__backfill__init(out);
    out->target_ms = (uint32_t)policy->target_ms;
    out->replica_lag_ms = (uint32_t)policy->replica_lag_ms;
    out->wal_bytes_per_s = policy->wal_bytes_per_s;
    out->archive_files = policy->archive_files;
    out->sessions = policy->sessions;
    out->ignore_vacuum = policy->ignore_vacuum;
    out->query = proto_from_text(policy->query);
    return out;
}

ErrCode policy_decode(const Pgtide__V1__Policy *in, Policy *out, Error *err)
{
    if (in == NULL || in->backup == NULL || in->concurrency == NULL) {
        return err_set(err, ERR_PROTOCOL, "the policy or a part of it is missing");
    }
    CHECK(proto_enum((int)in->on_shard_failure, ON_SHARD_FAILURE_COUNT, "on_shard_failure", err));
    CHECK(proto_enum((int)in->on_failure, ON_FAILURE_COUNT, "on_failure", err));
    BackupPolicy backup;
    CHECK(backup_policy_decode(in->backup, &backup, err));
    if (in->lock_timeout_ms > LIMIT_LOCK_TIMEOUT_MS) {
        return err_set(err, ERR_LIMIT, "a lock timeout of %u ms, at most %d are allowed",
                       in->lock_timeout_ms, LIMIT_LOCK_TIMEOUT_MS);
    }
    bool has_budget = in->lock_budget_ms != 0 && in->lock_budget_ms != LOCK_BUDGET_NONE;
    if (has_budget && (in->lock_budget_ms < LIMIT_LOCK_BUDGET_MS_MIN ||
                       in->lock_budget_ms > LIMIT_LOCK_BUDGET_MS)) {
        return err_set(err, ERR_LIMIT, "a lock budget of %u ms, %d to %d are allowed",
                       in->lock_budget_ms, LIMIT_LOCK_BUDGET_MS_MIN, LIMIT_LOCK_BUDGET_MS);
    }
    if ((int)in->drift < 0 || (int)in->drift >= DRIFT_POLICY_COUNT)
        return err_set(err, ERR_PROTOCOL, "unknown word %d on drift", (int)in->drift);
    BackfillPolicy backfill = BACKFILL_POLICY_DEFAULT;
    if (in->backfill != NULL)
        CHECK(backfill_decode(in->backfill, &backfill, err));
    *out = (Policy){
        .budget_fleet = in->budget_fleet,
        .on_shard_failure = (OnShardFailure)in->on_shard_failure,
        .on_failure = (OnFailure)in->on_failure,
        .backup = backup,
        .lock_timeout_ms = in->lock_timeout_ms,
        .lock_attempts = in->lock_attempts,
        .statement_timeout_ms = in->statement_timeout_ms,
        .approvals = in->approvals,
        .rollback_until_ms = in->rollback_until_ms,
        .unknown_deadline_ms = in->unknown_deadline_ms,
        .progress_deadline_ms = in->progress_deadline_ms,
        .lock_budget_ms = in->lock_budget_ms,
        .rehearsal_required = in->rehearsal_required != 0,
        .drift = (DriftPolicy)in->drift,
        .backfill = backfill,
    };
    return concurrency_decode(in->concurrency, &out->concurrency, err);
}

Pgtide__V1__Policy *policy_encode(Arena *arena, const Policy *policy)
{
    Pgtide__V1__Policy *out = ARENA_NEW(arena, Pgtide__V1__Policy);
    pgtide__v1__policy__init(out);
    out->concurrency = ARENA_NEW(arena, Pgtide__V1__Concurrency);
    pgtide__v1__concurrency__init(out->concurrency);
    out->concurrency->fleet = policy->concurrency.fleet;
    out->concurrency->host = policy->concurrency.host;
    out->concurrency->cluster = policy->concurrency.cluster;
    out->concurrency->database = policy->concurrency.database;
    out->concurrency->n_labels = policy->concurrency.label_count;
    out->concurrency->labels =
        ARENA_ARRAY(arena, Pgtide__V1__LabelCap *, policy->concurrency.label_count + 1);
    for (size_t i = 0; i < policy->concurrency.label_count; i++) {
        Pgtide__V1__LabelCap *cap = ARENA_NEW(arena, Pgtide__V1__LabelCap);
        pgtide__v1__label_cap__init(cap);
        cap->label = proto_from_text(policy->concurrency.labels[i].label);
        cap->cap = policy->concurrency.labels[i].cap;
        out->concurrency->labels[i] = cap;
    }
    out->budget_fleet = policy->budget_fleet;
    out->on_shard_failure = (Pgtide__V1__OnShardFailure)policy->on_shard_failure;
    out->on_failure = (Pgtide__V1__OnFailure)policy->on_failure;
    out->backup = ARENA_NEW(arena, Pgtide__V1__BackupPolicy);
    pgtide__v1__backup_policy__init(out->backup);
    out->backup->method = (Pgtide__V1__BackupMethod)policy->backup.method;
    out->backup->compress = policy->backup.compress;
    out->backup->verify = policy->backup.verify;
    out->backup->keep = policy->backup.keep;
    out->backup->command = proto_from_text(policy->backup.command);
    out->backup->jobs = policy->backup.jobs;
    out->backup->encrypt = policy->backup.encrypt;
    out->backup->restore_test = policy->backup.restore_test;
    out->lock_timeout_ms = policy->lock_timeout_ms;
    out->lock_attempts = policy->lock_attempts;
    out->statement_timeout_ms = policy->statement_timeout_ms;
    out->approvals = policy->approvals;
    out->rollback_until_ms = policy->rollback_until_ms;
    out->unknown_deadline_ms = policy->unknown_deadline_ms;
    out->progress_deadline_ms = policy->progress_deadline_ms;
    out->lock_budget_ms = policy->lock_budget_ms;
    out->rehearsal_required = policy->rehearsal_required;
    out->drift = (Pgtide__V1__DriftPolicy)policy->drift;
    out->backfill = backfill_encode(arena, &policy->backfill);
    return out;
}

char **texts_encode(const StrList *list)
{
    return (char **)(uintptr_t)list->items;
}

ByteSpan span_decode(const ProtobufCBinaryData *field)
{
    return (ByteSpan){field->data, field->len};
}
