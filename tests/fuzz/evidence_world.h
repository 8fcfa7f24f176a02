/*
 * A fleet small enough to be made of fixed keys in a millisecond: one plan over two shards, its
 * trust file, bundle and agent; and a coordinator that signs whatever records it is given. For
 * fuzz_evidence and its seeds.
 */
#pragma once

#include "admission.h"
#include "bundle.h"
#include "chain.h"
#include "digest.h"
#include "evidence.h"
#include "merkle.h"
#include "message_codec.h"
#include "plan_codec.h"
#include "proto_read.h"
#include "record_codec.h"

#include "operator.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORLD_SHARDS = 2, WORLD_NOW_MS = 1000000 };

typedef struct EvidenceWorld {
    Arena *arena;
    SecretKey *root;
    SecretKey *release;
    SecretKey *alice; /* admin, the author */
    SecretKey *bob;   /* approver */
    SecretKey *coordinator;
    SecretKey *agent;
    Trust *trust;
    ByteSpan trust_bytes;
    ByteSpan admission;
    ByteSpan manifest;
    ByteSpan shards[WORLD_SHARDS];
    PlanHeader header;
    Digest plan_digest;
    ByteSpan plan_record; /* payload of PLAN_SUBMITTED */
} EvidenceWorld;

static inline void world_must(ErrCode code, const Error *err)
{
    if (code != ERR_OK) {
        fprintf(stderr, "evidence world: %s\n", err->message);
        abort();
    }
}

static inline SecretKey *world_key(const char *name, uint8_t number)
{
    uint8_t secret[KEY_BYTES];
    SecretKey *key = NULL;
    Error err;
    memset(secret, number, sizeof secret);
    world_must(key_from_secrets(name, secret, secret, &key, &err), &err);
    return key;
}

static inline ByteSpan world_sign(EvidenceWorld *world, MessageType type, const uint8_t *payload,
                                  size_t length, const SecretKey *key)
{
    uint8_t *bytes;
    ByteSpan out;
    Error err;
    world_must(
        envelope_sign(world->arena, type, payload, length, &key, 1, &bytes, &out.length, &err),
        &err);
    out.bytes = bytes;
    return out;
}

static inline void world_make_trust(EvidenceWorld *world)
{
    TrustOperator operators[] = {{*key_public(world->alice), OPERATOR_ROLE_ADMIN},
                                 {*key_public(world->bob), OPERATOR_ROLE_APPROVER}};
    TrustParts parts = {.fleet_id = {{0xf1}},
                        .version = 1,
                        .created_unix_ms = 1,
                        .root = {1, key_public(world->root), 1},
                        .release = {1, key_public(world->release), 1},
                        .operators = operators,
                        .operator_count = 2,
                        .coordinators = key_public(world->coordinator),
                        .coordinator_count = 1};
    uint8_t *payload;
    size_t length;
    Error err;
    world_must(trust_encode(world->arena, &parts, &payload, &length, &err), &err);
    world->trust_bytes = world_sign(world, MESSAGE_TRUST, payload, length, world->root);
    world_must(
        trust_open(world->trust_bytes.bytes, world->trust_bytes.length, 0, &world->trust, &err),
        &err);
    Admission admission = {
        .fleet_id = {{0xf1}}, .agent = *key_public(world->agent), .serial = 1, .reason = ""};
    uint8_t *bytes;
    world_must(admission_sign(world->arena, &admission, world->alice, &bytes,
                              &world->admission.length, &err),
               &err);
    world->admission.bytes = bytes;
}

static inline Digest world_make_bundle(EvidenceWorld *world)
{
    static const char source[] = "-- revision: 001_one\n-- message: one\n\n-- +upgrade\n"
                                 "CREATE TABLE one (id int);\n\n-- +downgrade\nDROP TABLE one;\n";
    Script *script;
    Bundle bundle;
    uint8_t *bytes;
    size_t length;
    Error err;
    world_must(script_parse(world->arena, "001_one.sql", (const uint8_t *)source, sizeof source - 1,
                            &script, &err),
               &err);
    world_must(bundle_build(world->arena, "small", 1, &script, 1, NULL, &bytes, &length, &err),
               &err);
    world_must(bundle_sign(world->arena, bytes, length, world->release, &bytes, &length, &err),
               &err);
    world_must(bundle_open(world->arena, bytes, length, world->trust, &bundle, &err), &err);
    world_must(bundle_manifest_envelope(world->arena, bytes, length, &world->manifest.bytes,
                                        &world->manifest.length, &err),
               &err);
    return bundle.digest;
}

static inline Digest world_make_shards(EvidenceWorld *world)
{
    Digest leaves[WORLD_SHARDS];
    Error err;
    for (uint8_t i = 0; i < WORLD_SHARDS; i++) {
        PlanShard shard = {.index = i,
                           .wave = 0,
                           .uuid = {{0x5a, i, 0, 0, 0, 0, 0x80, 0, 0x80}},
                           .agent = "host-a",
                           .host = "host-a",
                           .cluster = "main",
                           .database = i == 0 ? "zero" : "one",
                           .schema = "",
                           .system_identifier = 7,
                           .database_oid = 16000u + i};
        uint8_t *bytes;
        strlist_add(world->arena, &shard.steps, "001_one");
        strlist_add(world->arena, &shard.rows_after, "001_one");
        world_must(plan_shard_encode(world->arena, &shard, &bytes, &world->shards[i].length, &err),
                   &err);
        world->shards[i].bytes = bytes;
        leaves[i] = merkle_leaf(bytes, world->shards[i].length);
    }
    return merkle_root(leaves, WORLD_SHARDS);
}

static inline void world_make_plan(EvidenceWorld *world)
{
    static WavePlan wave = {.name = "all", .shard_count = WORLD_SHARDS, .budget = 1};
    world->header = (PlanHeader){
        .fleet_id = {{0xf1}},
        .rollout_id = {{0x77}},
        .name = "first",
        .author = key_public(world->alice)->keyid,
        .created_unix_ms = WORLD_NOW_MS,
        .expires_unix_ms = 2 * WORLD_NOW_MS,
        .bundle_digest = world_make_bundle(world),
        .bundle_name = "small",
        .direction = DIRECTION_UPGRADE,
        .target = "head",
        .shard_count = WORLD_SHARDS,
        .shards_root = world_make_shards(world),
        .waves = &wave,
        .wave_count = 1,
        .policy = {.budget_fleet = 1,
                   .on_shard_failure = ON_SHARD_FAILURE_STAY,
                   .on_failure = ON_FAILURE_PAUSE,
                   .backup = {.method = BACKUP_METHOD_NONE},
                   .lock_timeout_ms = 500,
                   .lock_attempts = 3,
                   .approvals = 1},
    };
    uint8_t *payload;
    size_t length;
    Error err;
    world_must(plan_header_encode(world->arena, &world->header, &payload, &length, &err), &err);
    world->plan_digest = sha256_bytes(payload, length);
    PlanSubmitted submitted = {.header_envelope =
                                   world_sign(world, MESSAGE_PLAN, payload, length, world->alice)};
    world->plan_record = plan_submitted_encode(world->arena, &submitted);
}

static inline EvidenceWorld *evidence_world(void)
{
    EvidenceWorld *world = xcalloc(1, sizeof *world);
    world->arena = arena_new();
    world->root = world_key("root", 1);
    world->release = world_key("release", 2);
    world->alice = world_key("alice", 3);
    world->bob = world_key("bob", 4);
    world->coordinator = world_key("coordinator", 5);
    world->agent = world_key("host-a", 6);
    world_make_trust(world);
    world_make_plan(world);
    return world;
}

/* --- records: one byte of kind, two of length, the payload; the top bit of the kind hides it ----
 */

enum { WORLD_HIDDEN = 0x80, WORLD_RECORD_HEAD = 3 };

static inline void world_add_record(EvidenceMaker *maker, Digest *hash, uint64_t seq, uint32_t kind,
                                    ByteSpan payload)
{
    Error err;
    EvidenceRecord record = {.seq = seq,
                             .epoch = 1,
                             .kind = kind & ~(uint32_t)WORLD_HIDDEN,
                             .shown = (kind & WORLD_HIDDEN) == 0,
                             .payload = payload,
                             .payload_digest = sha256_bytes(payload.bytes, payload.length)};
    *hash = chain_hash(hash, seq, 1, record.kind, &record.payload_digest);
    record.hash = *hash;
    world_must(evidence_add_record(maker, &record, &err), &err);
}

/* A whole file, signed, with these records behind the plan's. The first byte is the state. */
static inline ByteSpan world_evidence(EvidenceWorld *world, Arena *arena, const uint8_t *data,
                                      size_t size)
{
    EvidenceMaker *maker = evidence_maker_new();
    Evidence index = {.fleet_id = world->header.fleet_id,
                      .rollout_id = world->header.rollout_id,
                      .plan_digest = world->plan_digest,
                      .made_unix_ms = WORLD_NOW_MS,
                      .state = ROLLOUT_APPROVED,
                      .first_seq = 3};
    Digest hash = {{0}};
    uint64_t seq = index.first_seq;
    uint8_t *bytes;
    ByteSpan out;
    Error err;
    if (size > 0)
        index.state = (RolloutState)(data[0] % ROLLOUT_STATE_COUNT);
    world_must(evidence_add(maker, EVIDENCE_TRUST, "", world->trust_bytes, &err), &err);
    world_must(evidence_add(maker, EVIDENCE_ADMISSION, "host-a", world->admission, &err), &err);
    world_must(evidence_add(maker, EVIDENCE_MANIFEST, "", world->manifest, &err), &err);
    for (size_t i = 0; i < WORLD_SHARDS; i++)
        world_must(evidence_add(maker, EVIDENCE_SHARD, "", world->shards[i], &err), &err);
    world_add_record(maker, &hash, seq++, JOURNAL_PLAN_SUBMITTED, world->plan_record);
    for (size_t at = 1; at + WORLD_RECORD_HEAD <= size;) {
        size_t length = (size_t)data[at + 1] << 8 | data[at + 2];
        if (length > size - at - WORLD_RECORD_HEAD)
            length = size - at - WORLD_RECORD_HEAD;
        world_add_record(maker, &hash, seq++, data[at],
                         (ByteSpan){data + at + WORLD_RECORD_HEAD, length});
        at += WORLD_RECORD_HEAD + length;
    }
    world_must(evidence_seal(maker, arena, &index, world->coordinator, &bytes, &out.length, &err),
               &err);
    evidence_maker_free(maker);
    out.bytes = bytes;
    return out;
}
