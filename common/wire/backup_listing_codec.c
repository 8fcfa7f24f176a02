#include "backup_codec.h"

#include "codec_common.h"
#include "named_limits.h"

#include <string.h>

static ErrCode operation_decode(const ProtobufCBinaryData *in, OperationId *out, Error *err)
{
    if (in->len != sizeof out->bytes)
        return err_set(err, ERR_PROTOCOL, "operation: not an operation id");
    memcpy(out->bytes, in->data, sizeof out->bytes);
    return ERR_OK;
}

static ProtobufCBinaryData operation_encode(const OperationId *operation)
{
    return proto_bytes(operation->bytes, sizeof operation->bytes);
}

/* --- listings --------------------------------------------------------------------------------- */

static ErrCode entry_decode(Arena *arena, const Pgtide__V1__BackupEntry *in, BackupEntry *out,
                            Error *err)
{
    CHECK(proto_uuid(&in->shard, "shard uuid", &out->shard, err));
    CHECK(operation_decode(&in->operation, &out->operation, err));
    CHECK(proto_name(in->cluster, "cluster", &out->cluster, err));
    CHECK(proto_identifier(in->database, "database", false, &out->database, err));
    CHECK(proto_identifier(in->schema, "schema", true, &out->schema, err));
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    if (in->info == NULL)
        return err_set(err, ERR_PROTOCOL, "a backup of which nothing is told");
    CHECK(backup_decode(in->info, &out->info, err));
    CHECK(proto_text(in->command, "backup command", &out->command, err));
    CHECK(proto_text(in->id, "backup id", &out->id, err));
    CHECK(proto_rows(arena, in->rows, in->n_rows, &out->rows, err));
    CHECK(proto_text(in->damage, "damage", &out->damage, err));
    CHECK(proto_text(in->kept, "why it is kept", &out->kept, err));
    out->database_bytes = in->database_bytes;
    out->started_unix_ms = in->started_unix_ms;
    out->finished_unix_ms = in->finished_unix_ms;
    out->verified_unix_ms = in->verified_unix_ms;
    out->checked_unix_ms = in->checked_unix_ms;
    return ERR_OK;
}

ErrCode backup_listing_decode(Arena *arena, const Pgtide__V1__BackupListing *in, BackupListing *out,
                              Error *err)
{
    CHECK(proto_count(in->n_backups, LIMIT_SHARDS_PER_INVENTORY, "backups", err));
    out->snapshot = in->snapshot;
    out->part = in->part;
    out->last = in->last != 0;
    out->items = ARENA_ARRAY(arena, BackupEntry, in->n_backups + 1);
    out->count = in->n_backups;
    for (size_t i = 0; i < in->n_backups; i++) {
        CHECK(entry_decode(arena, in->backups[i], &out->items[i], err));
    }
    return ERR_OK;
}

static Pgtide__V1__BackupEntry *entry_encode(Arena *arena, const BackupEntry *entry)
{
    Pgtide__V1__BackupEntry *out = ARENA_NEW(arena, Pgtide__V1__BackupEntry);
    pgtide__v1__backup_entry__init(out);
    out->shard = proto_from_uuid(&entry->shard);
    out->operation = operation_encode(&entry->operation);
    out->cluster = proto_from_text(entry->cluster);
    out->database = proto_from_text(entry->database);
    out->schema = proto_from_text(entry->schema);
    out->rollout_id = proto_from_uuid(&entry->rollout_id);
    out->info = backup_encode(arena, &entry->info);
    out->command = proto_from_text(entry->command);
    out->id = proto_from_text(entry->id);
    out->n_rows = entry->rows.count;
    out->rows = texts_encode(&entry->rows);
    out->damage = proto_from_text(entry->damage);
    out->kept = proto_from_text(entry->kept);
    out->database_bytes = entry->database_bytes;
    out->started_unix_ms = entry->started_unix_ms;
    out->finished_unix_ms = entry->finished_unix_ms;
    out->verified_unix_ms = entry->verified_unix_ms;
    out->checked_unix_ms = entry->checked_unix_ms;
    return out;
}

Pgtide__V1__BackupListing *backup_listing_encode(Arena *arena, const BackupListing *listing)
{
    Pgtide__V1__BackupListing *out = ARENA_NEW(arena, Pgtide__V1__BackupListing);
    pgtide__v1__backup_listing__init(out);
    out->snapshot = listing->snapshot;
    out->part = listing->part;
    out->last = listing->last;
    out->n_backups = listing->count;
    out->backups = ARENA_ARRAY(arena, Pgtide__V1__BackupEntry *, listing->count + 1);
    for (size_t i = 0; i < listing->count; i++)
        out->backups[i] = entry_encode(arena, &listing->items[i]);
    return out;
}

/* --- work ------------------------------------------------------------------------------------- */

ErrCode backup_work_decode(Arena *arena, const Pgtide__V1__BackupWork *in, BackupWork *out,
                           Error *err)
{
    CHECK(proto_enum((int)in->verb, BACKUP_VERB_COUNT, "what to do with backups", err));
    CHECK(proto_count(in->n_items, LIMIT_SHARDS_PER_REQUEST, "backups", err));
    out->verb = (BackupVerb)in->verb;
    out->items = ARENA_ARRAY(arena, BackupRef, in->n_items + 1);
    out->count = in->n_items;
    for (size_t i = 0; i < in->n_items; i++) {
        BackupRef *ref = &out->items[i];
        CHECK(proto_uuid(&in->items[i]->shard, "shard uuid", &ref->shard, err));
        if (out->verb == BACKUP_VERB_VERIFY) {
            CHECK(operation_decode(&in->items[i]->operation, &ref->operation, err));
        }
    }
    return ERR_OK;
}

Pgtide__V1__BackupWork *backup_work_encode(Arena *arena, const BackupWork *work)
{
    Pgtide__V1__BackupWork *out = ARENA_NEW(arena, Pgtide__V1__BackupWork);
    pgtide__v1__backup_work__init(out);
    out->verb = (Pgtide__V1__BackupVerb)work->verb;
    out->n_items = work->count;
    out->items = ARENA_ARRAY(arena, Pgtide__V1__BackupRef *, work->count + 1);
    for (size_t i = 0; i < work->count; i++) {
        out->items[i] = ARENA_NEW(arena, Pgtide__V1__BackupRef);
        pgtide__v1__backup_ref__init(out->items[i]);
        out->items[i]->shard = proto_from_uuid(&work->items[i].shard);
        if (work->verb == BACKUP_VERB_VERIFY)
            out->items[i]->operation = operation_encode(&work->items[i].operation);
    }
    return out;
}
