/*
 * A small fleet's keys and trust, one bundle of three revisions, and a plan over three shards,
 * approved: what an agent is given, and a way to spoil each part of it.
 */
#pragma once

#include "digest.h"
#include "merkle.h"
#include "order.h"
#include "trust.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { FLEET_SHARDS = 3, NOW_UNIX_MS = 5000000 };

/* People of the fleet, by their place in the trust file. */
enum { ALICE, BOB, CAROL, OSCAR, VICTOR, FLEET_PEOPLE };

typedef struct Fleet {
    Arena *arena;
    SecretKey *root;
    SecretKey *release;
    SecretKey *stranger; /* in no trust file */
    SecretKey *coordinator;
    SecretKey *people[FLEET_PEOPLE];
    TrustOperator operators[FLEET_PEOPLE];
    PublicKeyInfo root_key;
    PublicKeyInfo release_key;
    PublicKeyInfo coordinator_key;
    Trust *trust;
    Digest bundle_digest;
    ByteSpan bundle;
    ByteSpan shards[FLEET_SHARDS];
    Digest leaves[FLEET_SHARDS];
    PlanHeader header;
    ByteSpan header_envelope;
    ByteSpan approvals[8];
    size_t approval_count;
    ByteSpan dossier;
    RunShards run;
    ShardOrder order; /* of shard 1 */
    Error err;
} Fleet;

#define assert_ok(expression) assert_int_equal((expression), ERR_OK)

static inline SecretKey *fleet_key(const char *name, uint8_t seed)
{
    uint8_t secret[KEY_BYTES], curve[KEY_BYTES];
    memset(secret, seed, sizeof secret);
    memset(curve, seed + 1, sizeof curve);
    SecretKey *key;
    assert_ok(key_from_secrets(name, secret, curve, &key, NULL));
    return key;
}

static inline void fleet_make_trust(Fleet *f)
{
    static const char *const names[FLEET_PEOPLE] = {"alice", "bob", "carol", "oscar", "victor"};
    static const OperatorRole roles[FLEET_PEOPLE] = {OPERATOR_ROLE_ADMIN, OPERATOR_ROLE_APPROVER,
                                                     OPERATOR_ROLE_APPROVER, OPERATOR_ROLE_OPERATOR,
                                                     OPERATOR_ROLE_VIEWER};
    for (int i = 0; i < FLEET_PEOPLE; i++) {
        f->people[i] = fleet_key(names[i], (uint8_t)(10 + 2 * i));
        f->operators[i] = (TrustOperator){*key_public(f->people[i]), roles[i]};
    }
    f->root = fleet_key("root", 40);
    f->release = fleet_key("release", 42);
    f->coordinator = fleet_key("coordinator", 44);
    f->stranger = fleet_key("stranger", 46);
    f->root_key = *key_public(f->root);
    f->release_key = *key_public(f->release);
    f->coordinator_key = *key_public(f->coordinator);
    TrustParts parts = {
        .fleet_id = {{7, 7, 7}},
        .version = 1,
        .created_unix_ms = 1,
        .root = {1, &f->root_key, 1},
        .release = {1, &f->release_key, 1},
        .operators = f->operators,
        .operator_count = FLEET_PEOPLE,
        .coordinators = &f->coordinator_key,
        .coordinator_count = 1,
    };
    uint8_t *payload, *bytes;
    size_t length;
    assert_ok(trust_encode(f->arena, &parts, &payload, &length, &f->err));
    const SecretKey *keys[] = {f->root};
    assert_ok(
        envelope_sign(f->arena, MESSAGE_TRUST, payload, length, keys, 1, &bytes, &length, &f->err));
    assert_ok(trust_open(bytes, length, 0, &f->trust, &f->err));
}

static inline Script *fleet_script(Fleet *f, const char *id, const char *parent)
{
    char *text = arena_printf(f->arena,
                              "-- revision: %s\n-- revises: %s\n-- message: x\n\n"
                              "-- +upgrade\nCREATE TABLE %s ();\n\n-- +downgrade\nDROP TABLE %s;\n",
                              id, parent, id, id);
    Script *script;
    assert_ok(script_parse(f->arena, arena_printf(f->arena, "%s.sql", id), (uint8_t *)text,
                           strlen(text), &script, &f->err));
    return script;
}

/* Signed by `key`, from r1 to r3 or, longer, to r4. */
static inline ByteSpan fleet_bundle(Fleet *f, const SecretKey *key, bool longer, Digest *ret_digest)
{
    Script *scripts[] = {fleet_script(f, "r1", ""), fleet_script(f, "r2", "r1"),
                         fleet_script(f, "r3", "r2"), fleet_script(f, "r4", "r3")};
    uint8_t *bytes;
    size_t length;
    assert_ok(bundle_build(f->arena, "bundle", 1, scripts, longer ? 4 : 3, NULL, &bytes, &length,
                           &f->err));
    assert_ok(bundle_sign(f->arena, bytes, length, key, &bytes, &length, &f->err));
    Bundle bundle;
    size_t signatures;
    assert_ok(bundle_open_unverified(f->arena, bytes, length, &bundle, &signatures, &f->err));
    *ret_digest = bundle.digest;
    return (ByteSpan){bytes, length};
}

static inline StrList fleet_rows(Fleet *f, const char *row)
{
    StrList rows = {0};
    if (row[0] != '\0')
        strlist_add(f->arena, &rows, row);
    return rows;
}

static inline PlanShard fleet_shard(Fleet *f, uint32_t index)
{
    PlanShard shard = {
        .index = index,
        .uuid = {{9, (uint8_t)index}},
        .agent = index == 2 ? "elsewhere" : "here",
        .host = "host",
        .cluster = "main",
        .database = arena_printf(f->arena, "db%u", index),
        .schema = "",
        .system_identifier = 77,
        .database_oid = 100 + index,
        .rows_before = fleet_rows(f, "r1"),
        .rows_after = fleet_rows(f, "r3"),
    };
    strlist_add(f->arena, &shard.steps, "r2");
    strlist_add(f->arena, &shard.steps, "r3");
    return shard;
}

static inline void fleet_set_shard(Fleet *f, const PlanShard *shard)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_shard_encode(f->arena, shard, &bytes, &length, &f->err));
    f->shards[shard->index] = (ByteSpan){bytes, length};
    f->leaves[shard->index] = merkle_leaf(bytes, length);
}

static inline ByteSpan fleet_sign(Fleet *f, MessageType type, const void *payload, size_t length,
                                  const SecretKey *key)
{
    uint8_t *bytes;
    assert_ok(envelope_sign(f->arena, type, payload, length, &key, 1, &bytes, &length, &f->err));
    return (ByteSpan){bytes, length};
}

/* Signs the header as it is now by its author, and forgets the approvals, which were of another
 * digest. */
static inline void fleet_seal(Fleet *f, const SecretKey *author)
{
    uint8_t *bytes;
    size_t length;
    f->header.shards_root = merkle_root(f->leaves, FLEET_SHARDS);
    assert_ok(plan_header_encode(f->arena, &f->header, &bytes, &length, &f->err));
    f->header_envelope = fleet_sign(f, MESSAGE_PLAN, bytes, length, author);
    f->run.plan_digest = sha256_bytes(bytes, length);
    f->approval_count = 0;
}

static inline Approval fleet_approval(const Fleet *f, Verdict verdict)
{
    return (Approval){
        .plan_digest = f->run.plan_digest,
        .verdict = verdict,
        .created_unix_ms = 1,
        .expires_unix_ms = NOW_UNIX_MS + 1000,
        .reason = "",
    };
}

static inline void fleet_add_approval(Fleet *f, const Approval *approval, const SecretKey *key)
{
    uint8_t *bytes;
    size_t length;
    assert_ok(approval_encode(f->arena, approval, &bytes, &length, &f->err));
    f->approvals[f->approval_count++] = fleet_sign(f, MESSAGE_APPROVAL, bytes, length, key);
}

static inline void fleet_approve(Fleet *f, int person)
{
    Approval approval = fleet_approval(f, VERDICT_APPROVED);
    fleet_add_approval(f, &approval, f->people[person]);
}

static inline void fleet_pack(Fleet *f)
{
    PlanDossier dossier = {f->header_envelope, f->approvals, f->approval_count};
    uint8_t *bytes;
    size_t length;
    assert_ok(plan_dossier_encode(f->arena, &dossier, &bytes, &length, &f->err));
    f->dossier = (ByteSpan){bytes, length};
}

static inline void fleet_make_order(Fleet *f, uint32_t index)
{
    f->order = (ShardOrder){
        .plan_shard = f->shards[index],
        .generation = 1,
        .direction = f->header.direction,
        .attempt = 1,
    };
    MerkleTree *tree = merkle_tree_new(f->leaves, FLEET_SHARDS);
    f->order.audit_path = ARENA_ARRAY(f->arena, Digest, LIMIT_MERKLE_DEPTH);
    f->order.audit_path_count = merkle_tree_path(tree, index, f->order.audit_path);
    merkle_tree_free(tree);
}

static inline void fleet_make_plan(Fleet *f)
{
    static WavePlan wave = {.name = "all", .shard_count = FLEET_SHARDS};
    for (uint32_t i = 0; i < FLEET_SHARDS; i++) {
        PlanShard shard = fleet_shard(f, i);
        fleet_set_shard(f, &shard);
    }
    f->header = (PlanHeader){
        .fleet_id = *trust_fleet_id(f->trust),
        .rollout_id = {{3, 3}},
        .name = "rollout",
        .author = f->operators[ALICE].key.keyid,
        .created_unix_ms = 1,
        .expires_unix_ms = NOW_UNIX_MS + 100000,
        .bundle_digest = f->bundle_digest,
        .bundle_name = "bundle",
        .direction = DIRECTION_UPGRADE,
        .target = "head",
        .shard_count = FLEET_SHARDS,
        .waves = &wave,
        .wave_count = 1,
        .policy = {.on_shard_failure = ON_SHARD_FAILURE_STAY,
                   .on_failure = ON_FAILURE_ROLLBACK_WAVE,
                   .backup = {.method = BACKUP_METHOD_NONE},
                   .approvals = 2,
                   .rollback_until_ms = 60000},
    };
    f->run = (RunShards){.rollout_id = f->header.rollout_id, .bundle_digest = f->bundle_digest};
    fleet_seal(f, f->people[ALICE]);
    fleet_approve(f, BOB);
    fleet_approve(f, CAROL);
    fleet_pack(f);
    fleet_make_order(f, 1);
}

static inline int fleet_setup(void **state)
{
    Fleet *f = xcalloc(1, sizeof(*f));
    f->arena = arena_new();
    fleet_make_trust(f);
    f->bundle = fleet_bundle(f, f->release, false, &f->bundle_digest);
    fleet_make_plan(f);
    *state = f;
    return 0;
}

static inline int fleet_teardown(void **state)
{
    Fleet *f = *state;
    for (int i = 0; i < FLEET_PEOPLE; i++)
        key_free(f->people[i]);
    key_free(f->root);
    key_free(f->release);
    key_free(f->coordinator);
    key_free(f->stranger);
    trust_free(f->trust);
    arena_free(f->arena);
    free(f);
    return 0;
}
