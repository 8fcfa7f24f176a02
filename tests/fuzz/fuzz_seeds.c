/*
 * Writes well-formed inputs for fuzz_envelope into a directory: from nothing the fuzzer would not
 * find a key id or a payload type in a day.
 */
#include "digest.h"
#include "envelope.h"
#include "file.h"
#include "fuzz_choice.h"
#include "message_codec.h"
#include "plan_codec.h"
#include "trust.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *directory;
static Arena *arena;

static void must(ErrCode code, const Error *err)
{
    if (code != ERR_OK) {
        fprintf(stderr, "fuzz_seeds: %s\n", err->message);
        exit(1);
    }
}

static void write_seed(const char *name, unsigned choice, const uint8_t *bytes, size_t length)
{
    Error err;
    uint8_t *all = arena_alloc(arena, length + 1);
    all[0] = (uint8_t)choice;
    memcpy(all + 1, bytes, length);
    must(file_write_atomic(path_join(arena, directory, name), all, length + 1, 0644, &err), &err);
}

static void write_commands(void)
{
    Error err;
    uint8_t *bytes;
    size_t length;
    Digest path[2] = {{{1}}, {{2}}};
    ShardOrder order = {{(const uint8_t *)"shard", 5}, path, 2, 1, DIRECTION_UPGRADE, 1};
    Command command = {.fleet_id = {{1}},
                       .agent = "host-a",
                       .agent_boot = {{2}},
                       .epoch = 1,
                       .sequence = 1,
                       .kind = COMMAND_RUN};
    command.run = (RunShards){{{1}}, {{2}}, {{3}}, {{4}}, {{5}}, &order, 1};
    must(command_encode(arena, &command, &bytes, &length, &err), &err);
    write_seed("command-run", CHOICE_COMMAND, bytes, length);
    command.kind = COMMAND_WELCOME;
    command.welcome = (Welcome){{{2}}, 1000, 5000};
    must(command_encode(arena, &command, &bytes, &length, &err), &err);
    write_seed("command-welcome", CHOICE_COMMAND, bytes, length);
    command.kind = COMMAND_CHUNK;
    command.chunk = (BlobChunk){{{1}}, 2, 8, {(const uint8_t *)"abc", 3}};
    must(command_encode(arena, &command, &bytes, &length, &err), &err);
    write_seed("command-chunk", CHOICE_COMMAND, bytes, length);
}

static void write_reports(void)
{
    Error err;
    uint8_t *bytes;
    size_t length;
    Label labels[] = {{"tier", "free"}};
    ClusterInfo cluster = {.name = "main",
                           .system_identifier = 7,
                           .server_version = 150000,
                           .pg_dump_version = 150000,
                           .reachable = true,
                           .message = "",
                           .labels = {labels, 1}};
    ShardInfo shard = {.uuid = {{1}}, .cluster = "main", .database = "db", .labels = {labels, 1}};
    JobReport job = {.rollout_id = {{1}},
                     .shard = {{2}},
                     .generation = 1,
                     .direction = DIRECTION_UPGRADE,
                     .attempt = 1,
                     .phase = PHASE_DONE,
                     .outcome = OUTCOME_SUCCEEDED,
                     .revision = "001_a",
                     .has_backup = true,
                     .backup = {"a.dump", {{1}}, 1, 1, BACKUP_METHOD_DUMP, true, true, 1}};
    strlist_add(arena, &job.rows, "001_a");
    strlist_add(arena, &shard.rows, "001_a");
    Report report = {.fleet_id = {{1}},
                     .agent = "host-a",
                     .agent_boot = {{2}},
                     .sequence = 1,
                     .kind = REPORT_JOBS};
    report.jobs = (JobReports){&job, 1};
    must(report_encode(arena, &report, &bytes, &length, &err), &err);
    write_seed("report-jobs", CHOICE_REPORT, bytes, length);
    report.kind = REPORT_INVENTORY;
    report.inventory = (Inventory){1, 0, true, "host-a", &cluster, 1, &shard, 1};
    must(report_encode(arena, &report, &bytes, &length, &err), &err);
    write_seed("report-inventory", CHOICE_REPORT, bytes, length);
}

static void write_plans(void)
{
    Error err;
    uint8_t *bytes;
    size_t length;
    WavePlan wave = {"canary", 1, 0, 0};
    PlanHeader header = {.fleet_id = {{1}},
                         .rollout_id = {{2}},
                         .name = "r",
                         .author = "ed25519:21fe31dfa154a261626bf854046fd227",
                         .created_unix_ms = 1,
                         .expires_unix_ms = 2,
                         .bundle_name = "b",
                         .direction = DIRECTION_UPGRADE,
                         .target = "head",
                         .shard_count = 1,
                         .waves = &wave,
                         .wave_count = 1,
                         .policy = {.on_shard_failure = ON_SHARD_FAILURE_STAY,
                                    .on_failure = ON_FAILURE_PAUSE,
                                    .backup = {.method = BACKUP_METHOD_NONE}}};
    must(plan_header_encode(arena, &header, &bytes, &length, &err), &err);
    write_seed("plan-header", CHOICE_PLAN_HEADER, bytes, length);
    PlanShard shard = {.uuid = {{1}},
                       .agent = "a",
                       .host = "a",
                       .cluster = "main",
                       .database = "db",
                       .system_identifier = 1,
                       .database_oid = 1};
    strlist_add(arena, &shard.steps, "001_a");
    strlist_add(arena, &shard.rows_after, "001_a");
    must(plan_shard_encode(arena, &shard, &bytes, &length, &err), &err);
    write_seed("plan-shard", CHOICE_PLAN_SHARD, bytes, length);
    ByteSpan span = {bytes, length};
    PlanFile file = {span, &span, 1};
    must(plan_file_encode(arena, &file, &bytes, &length, &err), &err);
    write_seed("plan-file", CHOICE_PLAN_FILE, bytes, length);
    PlanDossier dossier = {span, &span, 1};
    must(plan_dossier_encode(arena, &dossier, &bytes, &length, &err), &err);
    write_seed("plan-dossier", CHOICE_PLAN_DOSSIER, bytes, length);
    Approval approval = {{{1}}, VERDICT_APPROVED, 1, 2, "fine"};
    must(approval_encode(arena, &approval, &bytes, &length, &err), &err);
    write_seed("approval", CHOICE_APPROVAL, bytes, length);
}

static SecretKey *make_key(const char *name, uint8_t number)
{
    Error err;
    SecretKey *key = NULL;
    uint8_t secret[KEY_BYTES];
    memset(secret, number, sizeof secret);
    must(key_from_secrets(name, secret, secret, &key, &err), &err);
    return key;
}

static void write_trust(void)
{
    Error err;
    uint8_t *bytes;
    size_t length;
    AUTO_KEY SecretKey *root = make_key("root", 1);
    AUTO_KEY SecretKey *release = make_key("release", 2);
    AUTO_KEY SecretKey *admin = make_key("admin", 3);
    AUTO_KEY SecretKey *control = make_key("control", 4);
    const SecretKey *keys[] = {root};
    TrustOperator operators[] = {{*key_public(admin), OPERATOR_ROLE_ADMIN}};
    TrustParts parts = {.fleet_id = {{1}},
                        .version = 1,
                        .created_unix_ms = 1,
                        .root = {1, key_public(root), 1},
                        .release = {1, key_public(release), 1},
                        .operators = operators,
                        .operator_count = 1,
                        .coordinators = key_public(control),
                        .coordinator_count = 1};
    must(trust_encode(arena, &parts, &bytes, &length, &err), &err);
    must(envelope_sign(arena, MESSAGE_TRUST, bytes, length, keys, 1, &bytes, &length, &err), &err);
    write_seed("trust", CHOICE_TRUST, bytes, length);
    for (int i = MESSAGE_UNSPECIFIED + 1; i < MESSAGE_TYPE_COUNT; i++) {
        MessageType type = (MessageType)i;
        must(envelope_sign(arena, type, "payload", 7, keys, 1, &bytes, &length, &err), &err);
        write_seed(arena_printf(arena, "envelope-%s", message_type_name(type)),
                   (unsigned)(CHOICE_TRUST + i), bytes, length);
    }
}

int main(int argc, char **argv)
{
    Error err;
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds DIRECTORY\n");
        return 2;
    }
    directory = argv[1];
    arena = arena_new();
    must(dir_make(directory, 0700, &err), &err);
    write_commands();
    write_reports();
    write_plans();
    write_trust();
    arena_free(arena);
    return 0;
}
