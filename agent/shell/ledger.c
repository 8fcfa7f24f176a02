#include "ledger.h"

#include "backup_codec.h"
#include "file.h"
#include "journal.pb-c.h"

#include <stdlib.h>
#include <string.h>

/* On disk: never reused. */
enum {
    KIND_EPOCH_SEEN = 1,
    KIND_JOB_OPENED = 2,
    KIND_JOB_CLOSED = 3,
    KIND_BACKUP_TAKEN = 4,
};

typedef struct OpenJob {
    LedgerJob job;
    Arena *arena; /* its texts */
} OpenJob;

typedef struct Backup {
    Digest plan;
    Uuid shard;
    BackupInfo info;
} Backup;

typedef struct Waiting {
    uint64_t seq;
    uint64_t epoch; /* becomes the durable one; 0 = none */
    LedgerDone *done;
    void *context;
} Waiting;

struct Ledger {
    Journal *journal;
    Arena *arena; /* paths of backups */
    uint64_t epoch;
    OpenJob *jobs;
    size_t job_count;
    size_t job_capacity;
    Backup *backups;
    size_t backup_count;
    size_t backup_capacity;
    Waiting *waiting; /* in the order of seq */
    size_t waiting_count;
    size_t waiting_capacity;
};

static void *grow(void *items, size_t *capacity, size_t size)
{
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    return xrealloc(items, *capacity * size);
}

/* --- the fold --------------------------------------------------------------------------------- */

static size_t find_open(const Ledger *ledger, const Uuid *shard)
{
    size_t i = 0;
    while (i < ledger->job_count && !uuid_equal(&ledger->jobs[i].job.shard, shard))
        i++;
    return i;
}

static void forget_job(Ledger *ledger, size_t index)
{
    arena_free(ledger->jobs[index].arena);
    ledger->jobs[index] = ledger->jobs[--ledger->job_count];
}

static void remember_job(Ledger *ledger, const LedgerJob *job)
{
    OpenJob open = {.job = *job, .arena = arena_new()};
    open.job.cluster = arena_strdup(open.arena, job->cluster);
    open.job.database = arena_strdup(open.arena, job->database);
    size_t index = find_open(ledger, &job->shard);
    if (index < ledger->job_count)
        forget_job(ledger, index);
    if (ledger->job_count == ledger->job_capacity)
        ledger->jobs = grow(ledger->jobs, &ledger->job_capacity, sizeof(*ledger->jobs));
    ledger->jobs[ledger->job_count++] = open;
}

static void remember_closed(Ledger *ledger, const Digest *plan, const Uuid *shard,
                            uint32_t generation)
{
    size_t index = find_open(ledger, shard);
    if (index == ledger->job_count)
        return;
    const LedgerJob *job = &ledger->jobs[index].job;
    if (digest_equal(&job->plan_digest, plan) && job->generation <= generation)
        forget_job(ledger, index);
}

static void remember_backup(Ledger *ledger, const Digest *plan, const Uuid *shard,
                            const BackupInfo *info)
{
    if (ledger->backup_count == ledger->backup_capacity)
        ledger->backups = grow(ledger->backups, &ledger->backup_capacity, sizeof(Backup));
    Backup *backup = &ledger->backups[ledger->backup_count++];
    *backup = (Backup){*plan, *shard, *info};
    backup->info.path = arena_strdup(ledger->arena, info->path);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool read_bytes(const ProtobufCBinaryData *data, void *out, size_t length)
{
    if (data->len != length)
        return false;
    memcpy(out, data->data, length);
    return true;
}

static bool fold_epoch(Ledger *ledger, const JournalRecord *record)
{
    Pgtide__V1__EpochSeen *seen =
        pgtide__v1__epoch_seen__unpack(NULL, record->length, record->payload);
    if (seen == NULL)
        return false;
    if (seen->epoch > ledger->epoch)
        ledger->epoch = seen->epoch;
    pgtide__v1__epoch_seen__free_unpacked(seen, NULL);
    return true;
}

static bool fold_opened(Ledger *ledger, const JournalRecord *record)
{
    Pgtide__V1__JobOpened *opened =
        pgtide__v1__job_opened__unpack(NULL, record->length, record->payload);
    if (opened == NULL)
        return false;
    LedgerJob job = {
        .generation = opened->generation,
        .cluster = opened->cluster,
        .database = opened->database,
        .backend.pid = (int)opened->backend_pid,
    };
    size_t length = strlen(opened->backend_start);
    bool fine = read_bytes(&opened->plan_digest, &job.plan_digest, sizeof job.plan_digest) &&
                read_bytes(&opened->rollout_id, &job.rollout_id, sizeof job.rollout_id) &&
                read_bytes(&opened->shard, &job.shard, sizeof job.shard) &&
                length < sizeof job.backend.start;
    if (fine) {
        memcpy(job.backend.start, opened->backend_start, length + 1);
        remember_job(ledger, &job);
    }
    pgtide__v1__job_opened__free_unpacked(opened, NULL);
    return fine;
}

static bool fold_closed(Ledger *ledger, const JournalRecord *record)
{
    Pgtide__V1__JobClosed *closed =
        pgtide__v1__job_closed__unpack(NULL, record->length, record->payload);
    if (closed == NULL)
        return false;
    Digest plan;
    Uuid shard;
    bool fine = read_bytes(&closed->plan_digest, &plan, sizeof plan) &&
                read_bytes(&closed->shard, &shard, sizeof shard);
    if (fine)
        remember_closed(ledger, &plan, &shard, closed->generation);
    pgtide__v1__job_closed__free_unpacked(closed, NULL);
    return fine;
}

static bool fold_backup(Ledger *ledger, const JournalRecord *record)
{
    Pgtide__V1__BackupTaken *taken =
        pgtide__v1__backup_taken__unpack(NULL, record->length, record->payload);
    if (taken == NULL)
        return false;
    Digest plan;
    Uuid shard;
    BackupInfo info = {0};
    bool fine = taken->backup != NULL && read_bytes(&taken->plan_digest, &plan, sizeof plan) &&
                read_bytes(&taken->shard, &shard, sizeof shard) &&
                backup_decode(taken->backup, &info, NULL) == ERR_OK;
    if (fine)
        remember_backup(ledger, &plan, &shard, &info);
    pgtide__v1__backup_taken__free_unpacked(taken, NULL);
    return fine;
}

static ErrCode fold(void *context, const JournalRecord *record, Error *err)
{
    Ledger *ledger = context;
    bool fine = false;
    if (record->kind == KIND_EPOCH_SEEN)
        fine = fold_epoch(ledger, record);
    else if (record->kind == KIND_JOB_OPENED)
        fine = fold_opened(ledger, record);
    else if (record->kind == KIND_JOB_CLOSED)
        fine = fold_closed(ledger, record);
    else if (record->kind == KIND_BACKUP_TAKEN)
        fine = fold_backup(ledger, record);
    if (fine)
        return ERR_OK;
    return err_set(err, ERR_JOURNAL, "ledger record %llu of kind %u can't be read",
                   (unsigned long long)record->seq, record->kind);
}

ErrCode ledger_open(const char *directory, Ledger **ret_ledger, Error *err)
{
    Ledger *ledger = xcalloc(1, sizeof(*ledger));
    ledger->arena = arena_new();
    char *path = path_join(ledger->arena, directory, "ledger.sqlite");
    ErrCode code = journal_open(path, &ledger->journal, err);
    if (code == ERR_OK)
        code = journal_replay(ledger->journal, 1, fold, ledger, err);
    if (code != ERR_OK) {
        ledger_close(ledger);
        return code;
    }
    *ret_ledger = ledger;
    return ERR_OK;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void on_persisted(void *context, uint64_t seq)
{
    Ledger *ledger = context;
    while (ledger->waiting_count > 0 && ledger->waiting[0].seq <= seq) {
        Waiting first = ledger->waiting[0];
        ledger->waiting_count--;
        memmove(ledger->waiting, ledger->waiting + 1,
                ledger->waiting_count * sizeof(*ledger->waiting));
        if (first.epoch > ledger->epoch)
            ledger->epoch = first.epoch;
        if (first.done != NULL)
            first.done(first.context);
    }
}

ErrCode ledger_start(Ledger *ledger, uv_loop_t *loop, Error *err)
{
    return journal_start(ledger->journal, loop, on_persisted, ledger, err);
}

void ledger_close(Ledger *ledger)
{
    if (ledger == NULL)
        return;
    journal_close(ledger->journal);
    while (ledger->job_count > 0)
        forget_job(ledger, 0);
    free(ledger->jobs);
    free(ledger->backups);
    free(ledger->waiting);
    arena_free(ledger->arena);
    free(ledger);
}

static ErrCode append(Ledger *ledger, uint32_t kind, const ProtobufCMessage *message,
                      Waiting waiting, Error *err)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = xcalloc(1, length + 1);
    protobuf_c_message_pack(message, bytes);
    ErrCode code = journal_append(ledger->journal, kind, bytes, length, &waiting.seq, err);
    free(bytes);
    if (code != ERR_OK)
        return code;
    if (ledger->waiting_count == ledger->waiting_capacity)
        ledger->waiting = grow(ledger->waiting, &ledger->waiting_capacity, sizeof(Waiting));
    ledger->waiting[ledger->waiting_count++] = waiting;
    return ERR_OK;
}

static ProtobufCBinaryData bytes_of(const void *bytes, size_t length)
{
    return (ProtobufCBinaryData){.len = length, .data = (uint8_t *)bytes};
}

ErrCode ledger_epoch_seen(Ledger *ledger, uint64_t epoch, const char *keyid, LedgerDone *done,
                          void *context, Error *err)
{
    Pgtide__V1__EpochSeen seen = PGTIDE__V1__EPOCH_SEEN__INIT;
    seen.epoch = epoch;
    seen.coordinator_keyid = (char *)keyid;
    return append(ledger, KIND_EPOCH_SEEN, &seen.base,
                  (Waiting){.epoch = epoch, .done = done, .context = context}, err);
}

ErrCode ledger_job_opened(Ledger *ledger, const LedgerJob *job, LedgerDone *done, void *context,
                          Error *err)
{
    Pgtide__V1__JobOpened opened = PGTIDE__V1__JOB_OPENED__INIT;
    opened.plan_digest = bytes_of(&job->plan_digest, sizeof job->plan_digest);
    opened.rollout_id = bytes_of(&job->rollout_id, sizeof job->rollout_id);
    opened.shard = bytes_of(&job->shard, sizeof job->shard);
    opened.generation = job->generation;
    opened.cluster = (char *)job->cluster;
    opened.database = (char *)job->database;
    opened.backend_pid = (uint32_t)job->backend.pid;
    opened.backend_start = (char *)job->backend.start;
    ErrCode code = append(ledger, KIND_JOB_OPENED, &opened.base,
                          (Waiting){.done = done, .context = context}, err);
    if (code == ERR_OK)
        remember_job(ledger, job);
    return code;
}

ErrCode ledger_job_closed(Ledger *ledger, const Digest *plan, const Uuid *shard,
                          uint32_t generation, JobOutcome outcome, Error *err)
{
    Pgtide__V1__JobClosed closed = PGTIDE__V1__JOB_CLOSED__INIT;
    closed.plan_digest = bytes_of(plan, sizeof *plan);
    closed.shard = bytes_of(shard, sizeof *shard);
    closed.generation = generation;
    closed.outcome = (Pgtide__V1__Outcome)outcome;
    ErrCode code = append(ledger, KIND_JOB_CLOSED, &closed.base, (Waiting){0}, err);
    if (code == ERR_OK)
        remember_closed(ledger, plan, shard, generation);
    return code;
}

ErrCode ledger_backup_taken(Ledger *ledger, const Digest *plan, const Uuid *shard,
                            const BackupInfo *backup, LedgerDone *done, void *context, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Pgtide__V1__BackupTaken taken = PGTIDE__V1__BACKUP_TAKEN__INIT;
    taken.shard = bytes_of(shard, sizeof *shard);
    taken.plan_digest = bytes_of(plan, sizeof *plan);
    taken.backup = backup_encode(arena, backup);
    ErrCode code = append(ledger, KIND_BACKUP_TAKEN, &taken.base,
                          (Waiting){.done = done, .context = context}, err);
    if (code == ERR_OK)
        remember_backup(ledger, plan, shard, backup);
    return code;
}

void ledger_forget(Ledger *ledger, const void *context)
{
    for (size_t i = 0; i < ledger->waiting_count; i++)
        if (ledger->waiting[i].context == context)
            ledger->waiting[i].done = NULL;
}

/* --- questions -------------------------------------------------------------------------------- */

uint64_t ledger_epoch(const Ledger *ledger)
{
    return ledger->epoch;
}

const LedgerJob *ledger_find_job(const Ledger *ledger, const Uuid *shard)
{
    size_t index = find_open(ledger, shard);
    return index < ledger->job_count ? &ledger->jobs[index].job : NULL;
}

size_t ledger_job_count(const Ledger *ledger)
{
    return ledger->job_count;
}

const BackupInfo *ledger_find_backup(const Ledger *ledger, const Digest *plan, const Uuid *shard)
{
    for (size_t i = ledger->backup_count; i-- > 0;) {
        const Backup *backup = &ledger->backups[i];
        if (uuid_equal(&backup->shard, shard) && digest_equal(&backup->plan, plan))
            return &backup->info;
    }
    return NULL;
}
