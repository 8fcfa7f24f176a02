#include "evidence.h"

#include "codec_common.h"
#include "digest.h"
#include "named_limits.h"

#include "evidence.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define FORMAT "pgtide-evidence-1"

/* --- making ----------------------------------------------------------------------------------- */

struct EvidenceMaker {
    Arena *arena; /* the items' names, and the index while it is sealed */
    Str body;
    EvidenceItem *items;
    size_t count;
    size_t capacity;
};

EvidenceMaker *evidence_maker_new(void)
{
    EvidenceMaker *maker = xcalloc(1, sizeof *maker);
    maker->arena = arena_new();
    return maker;
}

void evidence_maker_free(EvidenceMaker *maker)
{
    if (maker == NULL)
        return;
    arena_free(maker->arena);
    str_free(&maker->body);
    free(maker->items);
    free(maker);
}

static ErrCode too_large(size_t bytes, Error *err)
{
    err_set(err, ERR_LIMIT, "the evidence would be larger than %d MiB",
            LIMIT_EVIDENCE_BYTES / (1024 * 1024));
    err_detail(err, "%zu bytes so far", bytes);
    return ERR_LIMIT;
}

ErrCode evidence_add(EvidenceMaker *maker, EvidenceKind kind, const char *name, ByteSpan bytes,
                     Error *err)
{
    if (maker->count == LIMIT_EVIDENCE_ITEMS ||
        bytes.length > LIMIT_EVIDENCE_BYTES - maker->body.length)
        return too_large(maker->body.length, err);
    if (maker->count == maker->capacity) {
        maker->capacity = maker->capacity == 0 ? 256 : maker->capacity * 2;
        maker->items = xrealloc(maker->items, maker->capacity * sizeof *maker->items);
    }
    maker->items[maker->count++] =
        (EvidenceItem){.kind = kind,
                       .length = bytes.length,
                       .sha256 = sha256_bytes(bytes.bytes, bytes.length),
                       .name = name[0] == '\0' ? "" : arena_strdup(maker->arena, name)};
    str_append_bytes(&maker->body, bytes.bytes, bytes.length);
    return ERR_OK;
}

ErrCode evidence_add_record(EvidenceMaker *maker, const EvidenceRecord *record, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    Pgtide__V1__EvidenceRecord out = PGTIDE__V1__EVIDENCE_RECORD__INIT;
    out.seq = record->seq;
    out.epoch = record->epoch;
    out.kind = record->kind;
    out.shown = record->shown;
    if (record->shown)
        out.payload = proto_bytes(record->payload.bytes, record->payload.length);
    else
        out.payload_sha256 = proto_from_digest(&record->payload_digest);
    out.hash = proto_from_digest(&record->hash);
    ByteSpan bytes;
    bytes.bytes = proto_pack(arena, &out.base, &bytes.length);
    return evidence_add(maker, EVIDENCE_RECORD, "", bytes, err);
}

static const uint8_t *index_encode(Arena *arena, const Evidence *evidence, size_t *ret_length)
{
    Pgtide__V1__Evidence out = PGTIDE__V1__EVIDENCE__INIT;
    out.fleet_id = proto_from_uuid(&evidence->fleet_id);
    out.rollout_id = proto_from_uuid(&evidence->rollout_id);
    out.plan_digest = proto_from_digest(&evidence->plan_digest);
    out.made_unix_ms = evidence->made_unix_ms;
    out.state = (uint32_t)evidence->state;
    out.first_seq = evidence->first_seq;
    out.chain_before = proto_from_digest(&evidence->chain_before);
    out.n_items = evidence->item_count;
    out.items = ARENA_ARRAY(arena, Pgtide__V1__EvidenceItem *, evidence->item_count + 1);
    Pgtide__V1__EvidenceItem *items =
        ARENA_ARRAY(arena, Pgtide__V1__EvidenceItem, evidence->item_count + 1);
    for (size_t i = 0; i < evidence->item_count; i++) {
        pgtide__v1__evidence_item__init(&items[i]);
        items[i].kind = (Pgtide__V1__EvidenceKind)evidence->items[i].kind;
        items[i].length = evidence->items[i].length;
        items[i].sha256 = proto_from_digest(&evidence->items[i].sha256);
        items[i].name = proto_from_text(evidence->items[i].name);
        out.items[i] = &items[i];
    }
    return proto_pack(arena, &out.base, ret_length);
}

ErrCode evidence_seal(EvidenceMaker *maker, Arena *arena, const Evidence *evidence,
                      const SecretKey *key, uint8_t **ret_bytes, size_t *ret_length, Error *err)
{
    Evidence whole = *evidence;
    whole.items = maker->items;
    whole.item_count = maker->count;
    size_t length;
    uint8_t *envelope;
    const uint8_t *payload = index_encode(maker->arena, &whole, &length);
    ErrCode code = envelope_sign(maker->arena, MESSAGE_EVIDENCE, payload, length, &key, 1,
                                 &envelope, &length, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__EvidenceFile out = PGTIDE__V1__EVIDENCE_FILE__INIT;
    out.format = proto_from_text(FORMAT);
    out.envelope = proto_bytes(envelope, length);
    out.body = proto_bytes(maker->body.data, maker->body.length);
    if (pgtide__v1__evidence_file__get_packed_size(&out) > LIMIT_EVIDENCE_BYTES)
        return too_large(maker->body.length, err);
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static ErrCode not_whole(const char *what, Error *err)
{
    Error why = *err;
    err_set(err, ERR_EVIDENCE, "%s", what);
    if (why.message[0] != '\0')
        err_detail(err, "%s", why.message);
    return ERR_EVIDENCE;
}

static ErrCode item_decode(const Pgtide__V1__EvidenceItem *in, EvidenceItem *out, Error *err)
{
    CHECK(proto_enum((int)in->kind, EVIDENCE_KIND_COUNT, "kind of item", err));
    CHECK(proto_digest(&in->sha256, "item's digest", &out->sha256, err));
    CHECK(proto_text(in->name, "item's name", &out->name, err));
    out->kind = (EvidenceKind)in->kind;
    out->length = in->length;
    return ERR_OK;
}

static ErrCode index_decode(Arena *arena, const uint8_t *bytes, size_t length, Evidence *out,
                            Error *err)
{
    Pgtide__V1__Evidence *in;
    CHECK(proto_unpack(arena, &pgtide__v1__evidence__descriptor, bytes, length,
                       UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)&in, err));
    CHECK(proto_uuid(&in->fleet_id, "fleet id", &out->fleet_id, err));
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    CHECK(proto_digest(&in->plan_digest, "plan digest", &out->plan_digest, err));
    CHECK(proto_digest(&in->chain_before, "chain", &out->chain_before, err));
    CHECK(proto_enum((int)in->state, ROLLOUT_STATE_COUNT, "state", err));
    CHECK(proto_count(in->n_items, LIMIT_EVIDENCE_ITEMS, "items", err));
    out->made_unix_ms = in->made_unix_ms;
    out->state = (RolloutState)in->state;
    out->first_seq = in->first_seq;
    out->items = ARENA_ARRAY(arena, EvidenceItem, in->n_items + 1);
    out->item_count = in->n_items;
    for (size_t i = 0; i < in->n_items; i++) {
        CHECK(item_decode(in->items[i], &out->items[i], err));
        if (i > 0 && out->items[i].kind < out->items[i - 1].kind)
            return err_set(err, ERR_PROTOCOL, "its items are out of order");
    }
    return ERR_OK;
}

/* Everything that was written is where it would be written again: what a signature does not reach
 * (the envelope's own form) can't be different either. */
static bool is_canonical(Arena *arena, const Pgtide__V1__EvidenceFile *file, const uint8_t *bytes,
                         size_t length)
{
    size_t again_length;
    if (pgtide__v1__evidence_file__get_packed_size(file) != length)
        return false;
    const uint8_t *again = proto_pack(arena, &file->base, &again_length);
    return memcmp(again, bytes, length) == 0;
}

static ErrCode cut_body(Arena *arena, EvidenceFile *file, Error *err)
{
    size_t count = file->index.item_count;
    size_t at = 0;
    file->items = ARENA_ARRAY(arena, ByteSpan, count + 1);
    for (size_t i = 0; i < count; i++) {
        uint64_t length = file->index.items[i].length;
        if (length > file->body.length - at) {
            err_set(err, ERR_EVIDENCE, "the index: the file ends before it does");
            err_detail(err, "within %s", evidence_item_name(arena, &file->index, i));
            return ERR_EVIDENCE;
        }
        file->items[i] = (ByteSpan){file->body.bytes + at, (size_t)length};
        at += (size_t)length;
    }
    if (at != file->body.length)
        return err_set(err, ERR_EVIDENCE, "the index: there are %zu bytes behind its last item",
                       file->body.length - at);
    return ERR_OK;
}

static bool begins_like_evidence(const uint8_t *bytes, size_t length)
{
    static const char head[] = "\x0a\x11" FORMAT; /* field 1, 17 bytes */
    return length >= sizeof head - 1 && memcmp(bytes, head, sizeof head - 1) == 0;
}

ErrCode evidence_read(Arena *arena, const uint8_t *bytes, size_t length, EvidenceFile *out,
                      Error *err)
{
    Error why = {0};
    if (!begins_like_evidence(bytes, length))
        return err_set(err, ERR_USAGE, "this is no evidence file: its first bytes are other ones");
    if (length > LIMIT_EVIDENCE_BYTES)
        return err_set(err, ERR_LIMIT, "an evidence file of %zu bytes, at most %d are read", length,
                       LIMIT_EVIDENCE_BYTES);
    Pgtide__V1__EvidenceFile *in;
    ErrCode code = proto_unpack(arena, &pgtide__v1__evidence_file__descriptor, bytes, length,
                                UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)&in, &why);
    *err = why;
    if (code != ERR_OK)
        return not_whole("the file's outer form is damaged, or the file is cut off", err);
    AUTO_ARENA Arena *scratch = arena_new();
    if (!is_canonical(scratch, in, bytes, length))
        return not_whole("the file's outer form is not the one that was written", err);
    EvidenceFile file = {.envelope = span_decode(&in->envelope), .body = span_decode(&in->body)};
    const uint8_t *payload;
    size_t payload_length;
    code = envelope_peek_unverified(arena, file.envelope.bytes, file.envelope.length,
                                    MESSAGE_EVIDENCE, &payload, &payload_length, NULL, &why);
    *err = why;
    if (code != ERR_OK)
        return not_whole("the index's envelope is damaged", err);
    code = index_decode(arena, payload, payload_length, &file.index, &why);
    *err = why;
    if (code != ERR_OK)
        return not_whole("the index is damaged", err);
    code = cut_body(arena, &file, err);
    if (code == ERR_OK)
        *out = file;
    return code;
}

ErrCode evidence_record_decode(Arena *arena, ByteSpan bytes, EvidenceRecord *out, Error *err)
{
    Pgtide__V1__EvidenceRecord *in;
    CHECK(proto_unpack(arena, &pgtide__v1__evidence_record__descriptor, bytes.bytes, bytes.length,
                       UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)&in, err));
    EvidenceRecord record = {.seq = in->seq,
                             .epoch = in->epoch,
                             .kind = in->kind,
                             .shown = in->shown != 0,
                             .payload = span_decode(&in->payload)};
    CHECK(proto_digest(&in->hash, "hash", &record.hash, err));
    if (record.shown != (in->payload_sha256.len == 0) || (!record.shown && in->payload.len > 0))
        return err_set(err, ERR_PROTOCOL, "it has both a payload and a digest, or neither");
    if (record.shown)
        record.payload_digest = sha256_bytes(record.payload.bytes, record.payload.length);
    else
        CHECK(proto_digest(&in->payload_sha256, "payload's digest", &record.payload_digest, err));
    *out = record;
    return ERR_OK;
}

const char *evidence_item_name(Arena *arena, const Evidence *index, size_t item)
{
    size_t first = item;
    EvidenceKind kind = index->items[item].kind;
    while (first > 0 && index->items[first - 1].kind == kind)
        first--;
    size_t place = item - first;
    switch (kind) {
    case EVIDENCE_TRUST:
        return arena_printf(arena, "trust file %zu", place + 1);
    case EVIDENCE_ADMISSION:
        return arena_printf(arena, "the admission of agent %.63s", index->items[item].name);
    case EVIDENCE_MANIFEST:
        return "the bundle's manifest";
    case EVIDENCE_BUNDLE:
        return "the bundle";
    case EVIDENCE_SHARD:
        return arena_printf(arena, "shard %zu of the plan", place + 1);
    case EVIDENCE_RECORD:
        return arena_printf(arena, "journal record %llu",
                            (unsigned long long)(index->first_seq + place));
    case EVIDENCE_UNSPECIFIED:
    case EVIDENCE_KIND_COUNT:
        break;
    }
    return "an item";
}
