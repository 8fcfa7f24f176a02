/* Making, approving and rejecting plans: what an operator signs is checked here first. */
#include "client.h"
#include "hazard_note.h"
#include "plan_show.h"
#include "rehearsal_file.h"
#include "rollout_requires.h"

#include "bundle.h"
#include "clock.h"
#include "digest.h"
#include "file.h"
#include "named_limits.h"
#include "plan_codec.h"
#include "plan_view.h"
#include "proto_read.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { APPROVAL_TTL_MS_DEFAULT = 7 * 24 * 3600 * 1000 };

/* The coordinator's plan: what it sent is what it named, and for this fleet. */
static ErrCode plan_fetch(Client *client, CommandContext *context, const json_t *answer,
                          PlanFile *ret_file, ShownPlan *ret_plan, Digest *ret_blob, Error *err)
{
    PlanHeader *header = &ret_plan->header;
    Digest blob;
    Digest said;
    uint8_t *bytes;
    size_t length;
    const uint8_t *payload;
    size_t signatures;
    if (!digest_parse(answer_text(answer, "plan_blob_digest"), &blob) ||
        !digest_parse(answer_text(answer, "plan_digest"), &said))
        return err_set(err, ERR_PROTOCOL, "the coordinator's answer names no plan");
    ErrCode code = client_download(client, &blob, &bytes, &length, err);
    if (code == ERR_OK)
        code = plan_file_decode(context->arena, bytes, length, ret_file, err);
    if (code == ERR_OK)
        code = envelope_peek_unverified(context->arena, ret_file->header_envelope.bytes,
                                        ret_file->header_envelope.length, MESSAGE_PLAN, &payload,
                                        &length, &signatures, err);
    if (code == ERR_OK)
        code = plan_header_decode(context->arena, payload, length, header, err);
    if (code == ERR_OK)
        code = plan_file_check(context->arena, ret_file, header, &ret_plan->shards, err);
    if (code != ERR_OK)
        return code;
    ret_plan->digest = sha256_bytes(payload, length);
    if (!digest_equal(&ret_plan->digest, &said) ||
        strcmp(header->author, key_public(client_key(client))->keyid) != 0 ||
        !uuid_equal(&header->fleet_id, trust_fleet_id(client_trust(client))))
        return err_set(err, ERR_PROTOCOL,
                       "the coordinator's plan is not the one that was asked for");
    *ret_blob = blob;
    return ERR_OK;
}

/* Signs the header as its author, hands it in, and writes the plan file. */
static ErrCode plan_submit(Client *client, CommandContext *context, PlanFile *file,
                           const Digest *blob, const char *path, Error *err)
{
    uint8_t *envelope;
    size_t envelope_length;
    ErrCode code = envelope_add_signature(context->arena, file->header_envelope.bytes,
                                          file->header_envelope.length, MESSAGE_PLAN,
                                          client_key(client), &envelope, &envelope_length, err);
    if (code != ERR_OK)
        return code;
    file->header_envelope = (ByteSpan){.bytes = envelope, .length = envelope_length};
    uint8_t *bytes;
    size_t length;
    code = plan_file_encode(context->arena, file, &bytes, &length, err);
    if (code == ERR_OK)
        code = file_write_new(path, bytes, length, 0666, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__SubmitPlan submit = PGTIDE__V1__SUBMIT_PLAN__INIT;
    submit.header_envelope = proto_bytes(envelope, envelope_length);
    submit.plan_blob_digest = proto_from_digest(blob);
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_SUBMIT_PLAN;
    request.submit_plan = &submit;
    ClientAnswer answer;
    code = client_request(client, &request, &answer, err);
    bool unsure = code == ERR_TIMEOUT || code == ERR_INTERRUPTED; /* it may have been handed in */
    if (code != ERR_OK && !unsure)
        unlink(path);
    return code;
}

/* `bundle`: what the plan was asked with; NULL = it takes something back. */
static ErrCode plan_finish(Client *client, CommandContext *context, RequestMessage *request,
                           const char *path, const ByteSpan *bundle, Error *err)
{
    ClientAnswer answer;
    ErrCode code = client_request(client, request, &answer, err);
    if (code != ERR_OK)
        return code;
    json_t *summary = json_deep_copy(answer.result);
    str_append(&context->json_result, answer.json);
    PlanFile file;
    ShownPlan plan;
    Digest blob;
    code = plan_fetch(client, context, summary, &file, &plan, &blob, err);
    if (code == ERR_OK)
        code = plan_submit(client, context, &file, &blob, path, err);
    if (code == ERR_OK) {
        unsigned approvals = plan.header.policy.approvals;
        plan_show_tell(context, &plan, client_trust(client), context_has(context, "shards"));
        if (bundle != NULL && plan.header.direction == DIRECTION_UPGRADE)
            hazard_notes_plan(context, client_trust(client), bundle->bytes, bundle->length,
                              plan.shards, plan.header.shard_count);
        say(context, "written to %s; it needs %u approval%s: pgtide rollout approve %s", path,
            approvals, approvals == 1 ? "" : "s", path);
    } else {
        str_clear(&context->json_result);
    }
    json_decref(summary);
    return code;
}

static ErrCode output_path(CommandContext *context, const char *fallback, const char **ret_path,
                           Error *err)
{
    const char *path = context_option(context, "output");
    *ret_path = path != NULL ? path : arena_printf(context->arena, "%s.plan", fallback);
    if (file_exists(*ret_path)) {
        err_set(err, ERR_EXISTS, "%.200s is there already", *ret_path);
        err_hint(err, "Name another file with -o.");
        return ERR_EXISTS;
    }
    return ERR_OK;
}

/* Without a coordinator: a plan file as it is. */
static ErrCode run_show(CommandContext *context, Error *err)
{
    AUTO_TRUST Trust *trust = NULL;
    ShownPlan plan;
    const char *trust_path = context_option(context, "trust");
    ErrCode code = ERR_OK;
    if (trust_path == NULL)
        trust_path = getenv("PGTIDE_TRUST");
    if (trust_path != NULL && trust_path[0] != '\0')
        code = trust_load(trust_path, clock_unix_ms(), &trust, err);
    if (code == ERR_OK)
        code = plan_show_open(context, context_argument(context, 0), trust, &plan, err);
    if (code != ERR_OK)
        return code;
    if (context->json) {
        JsonWriter json = context_json(context);
        json_object_begin(&json);
        json_field_bool(&json, "signature_checked", plan.signature_checked);
        plan_view_fields(&plan.header, plan.shards, &plan.digest, context_has(context, "shards"),
                         &json);
        json_object_end(&json);
    }
    if (!plan.signature_checked)
        note(context, "the author's signature was not checked: say --trust FILE");
    plan_show_tell(context, &plan, trust, context_has(context, "shards"));
    return ERR_OK;
}

/* The signatures are the coordinator's to judge, who has the fleet's trust file. */
static ErrCode bundle_digest_read(CommandContext *context, const uint8_t *bytes, size_t length,
                                  Digest *ret_digest, Error *err)
{
    const uint8_t *envelope;
    const uint8_t *manifest;
    size_t envelope_length;
    size_t manifest_length;
    size_t signatures;
    ErrCode code =
        bundle_manifest_envelope(context->arena, bytes, length, &envelope, &envelope_length, err);
    if (code == ERR_OK)
        code = envelope_peek_unverified(context->arena, envelope, envelope_length, MESSAGE_BUNDLE,
                                        &manifest, &manifest_length, &signatures, err);
    if (code == ERR_OK)
        *ret_digest = sha256_bytes(manifest, manifest_length);
    return code;
}

/* What the author has looked at, evidence and a rehearsal, is of this very bundle. */
static ErrCode requires_meet(CommandContext *context, RolloutSpec *spec, const uint8_t *bytes,
                             size_t length, Error *err)
{
    const char *rehearsal = context_option(context, "rehearsal");
    Digest digest;
    if (spec->evidence_count == 0 && rehearsal == NULL)
        return ERR_OK;
    ErrCode code = bundle_digest_read(context, bytes, length, &digest, err);
    if (code == ERR_OK && spec->evidence_count > 0)
        code = rollout_requires_meet(context->arena, spec, &digest, err);
    if (code == ERR_OK && rehearsal != NULL)
        code = rehearsal_file_read(context->arena, rehearsal, &digest, &spec->plan.rehearsal, err);
    return code;
}

static ErrCode run_plan(CommandContext *context, Error *err)
{
    if (context_has(context, "show"))
        return run_show(context, err);
    RolloutSpec spec;
    const char *path;
    uint8_t *bytes;
    size_t length;
    ErrCode code = rollout_spec_read(context->arena, context_argument(context, 0), &spec, err);
    if (code == ERR_OK)
        code = output_path(context, spec.plan.name, &path, err);
    if (code == ERR_OK)
        code = file_read_all(context->arena, spec.bundle, LIMIT_BUNDLE_BYTES, &bytes, &length, err);
    if (code == ERR_OK)
        code = requires_meet(context, &spec, bytes, length, err);
    AUTO_CLIENT Client *client = NULL;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    Digest digest;
    if (code == ERR_OK)
        code = client_upload(client, bytes, length, &digest, err);
    if (code != ERR_OK)
        return code;
    spec.plan.bundle_blob_digest = proto_from_digest(&digest);
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_PLAN;
    request.make_plan = &spec.plan;
    const ByteSpan bundle = {bytes, length};
    return plan_finish(client, context, &request, path, &bundle, err);
}

static ErrCode run_rollback(CommandContext *context, Error *err)
{
    const char *rollout = context_argument(context, 0);
    const char *path;
    bool restore = context_has(context, "restore");
    bool accept = context_has(context, "accept-data-loss");
    if (accept && !restore) {
        err_set(err, ERR_USAGE, "--accept-data-loss is for --restore");
        err_hint(err, "A rollback by downgrades does not need it.");
        return ERR_USAGE;
    }
    ErrCode code = output_path(
        context, arena_printf(context->arena, "%s-%s", rollout, restore ? "restore" : "rollback"),
        &path, err);
    AUTO_CLIENT Client *client = NULL;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__MakeRollback make = PGTIDE__V1__MAKE_ROLLBACK__INIT;
    make.rollout = proto_from_text(rollout);
    make.restore = restore;
    make.accept_data_loss = accept;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_ROLLBACK;
    request.make_rollback = &make;
    return plan_finish(client, context, &request, path, NULL, err);
}

static ErrCode run_restore(CommandContext *context, Error *err)
{
    const char *operation = context_option(context, "backup");
    const char *path;
    ErrCode code = output_path(context, "restore", &path, err);
    AUTO_CLIENT Client *client = NULL;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__MakeRestore make = PGTIDE__V1__MAKE_RESTORE__INIT;
    make.shard = proto_from_text(context_argument(context, 0));
    make.operation = proto_from_text(operation == NULL ? "" : operation);
    make.accept_data_loss = context_has(context, "accept-data-loss");
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_MAKE_RESTORE;
    request.make_restore = &make;
    return plan_finish(client, context, &request, path, NULL, err);
}

static ErrCode approval_send(CommandContext *context, Verdict verdict, Error *err)
{
    const char *reason = context_option(context, "reason");
    uint64_t ttl_ms;
    ErrCode code = context_duration(context, "expires", APPROVAL_TTL_MS_DEFAULT, &ttl_ms, err);
    if (verdict == VERDICT_REJECTED && (reason == NULL || reason[0] == '\0'))
        return err_set(err, ERR_USAGE, "rejecting a plan needs --reason TEXT");
    AUTO_CLIENT Client *client = NULL;
    ShownPlan plan;
    if (code == ERR_OK)
        code = client_open(context, &client, err);
    if (code == ERR_OK)
        code =
            plan_show_open(context, context_argument(context, 0), client_trust(client), &plan, err);
    if (code != ERR_OK)
        return code;
    plan_show_tell(context, &plan, client_trust(client), false);
    Approval approval = {.plan_digest = plan.digest,
                         .verdict = verdict,
                         .created_unix_ms = clock_unix_ms(),
                         .expires_unix_ms = clock_unix_ms() + ttl_ms,
                         .reason = reason == NULL ? "" : reason};
    uint8_t *bytes;
    size_t length;
    const SecretKey *keys[] = {client_key(client)};
    code = approval_encode(context->arena, &approval, &bytes, &length, err);
    if (code == ERR_OK)
        code = envelope_sign(context->arena, MESSAGE_APPROVAL, bytes, length, keys, 1, &bytes,
                             &length, err);
    if (code != ERR_OK)
        return code;
    Pgtide__V1__SubmitApproval submit = PGTIDE__V1__SUBMIT_APPROVAL__INIT;
    submit.envelope = proto_bytes(bytes, length);
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    request.body_case = PGTIDE__V1__REQUEST__BODY_SUBMIT_APPROVAL;
    request.submit_approval = &submit;
    ClientAnswer answer;
    code = client_request(client, &request, &answer, err);
    if (code != ERR_OK)
        return code;
    str_append(&context->json_result, answer.json);
    const json_t *approvals = json_object_get(answer.result, "approvals");
    say(context, "%s %s (%u shards): %lld of %lld approvals, it is %s",
        verdict == VERDICT_APPROVED ? "approved" : "rejected", plan.header.name,
        plan.header.shard_count, (long long)answer_int(approvals, "given"),
        (long long)answer_int(approvals, "needed"),
        answer_bool(answer.result, "vetoed") ? "vetoed" : answer_text(answer.result, "state"));
    return ERR_OK;
}

static ErrCode run_approve(CommandContext *context, Error *err)
{
    return approval_send(context, VERDICT_APPROVED, err);
}

static ErrCode run_reject(CommandContext *context, Error *err)
{
    return approval_send(context, VERDICT_REJECTED, err);
}

static const CommandOption plan_options[] = {
    {"output", 'o', "FILE", "where to write the plan (default NAME.plan)"},
    {"shards", 0, NULL, "list every shard"},
    {"rehearsal", 0, "FILE", "what `pgtide rehearse --bundle` has written: told in the plan"},
    {"show", 0, NULL, "read a plan file instead of making one; needs no coordinator"},
    CLIENT_OPTIONS,
    {0},
};
#define ACCEPT_OPTION                                                                              \
    {                                                                                              \
        "accept-data-loss", 0, NULL, "restore although it may have been written since its backup"  \
    }
static const CommandOption restore_options[] = {
    {"output", 'o', "FILE", "where to write the plan (default restore.plan)"},
    {"backup", 0, "OPERATION", "which of its backups, 32 hex digits (default the newest)"},
    ACCEPT_OPTION,
    {"shards", 0, NULL, "list every shard"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption rollback_options[] = {
    {"output", 'o', "FILE", "where to write the plan (default ROLLOUT-rollback.plan)"},
    {"restore", 0, NULL, "from the backups that the rollout made, instead of by downgrades"},
    ACCEPT_OPTION,
    {"shards", 0, NULL, "list every shard"},
    CLIENT_OPTIONS,
    {0},
};
static const CommandOption approve_options[] = {
    {"reason", 0, "TEXT", "kept with the approval"},
    {"expires", 0, "DURATION", "how long the approval holds (default 7d)"},
    CLIENT_OPTIONS,
    {0},
};

const CliCommand cmd_rollout_plan = {
    .words = "rollout plan",
    .arguments = "FILE.yaml|FILE.plan",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "freeze shards and waves into a plan, sign it as its author",
    .details =
        "Uploads the bundle, lets the coordinator resolve the selection into shards and "
        "steps, signs the plan\n"
        "and hands it in as a draft. The plan file is what the others approve.\n"
        "With --show it tells what a plan file says, all of it from the file; with the trust "
        "file it checks\nthe author's signature too.",
    .options = plan_options,
    .run = run_plan,
};
const CliCommand cmd_rollout_rollback = {
    .words = "rollout rollback",
    .arguments = "ROLLOUT",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "make a plan that takes back what a rollout changed",
    .details = "The plan needs approvals and a start like any other. With --restore every shard "
               "that the rollout has\n"
               "changed is restored from the backup that the rollout made of it: into a new "
               "database or schema,\n"
               "which takes the shard's name in one transaction. The former one stays as "
               "pgtide_old_...; it is dropped\n"
               "by hand. A shard that was written since its backup is refused unless the plan "
               "accepts the loss.",
    .options = rollback_options,
    .run = run_rollback,
};
const CliCommand cmd_backup_restore = {
    .words = "backup restore",
    .arguments = "SHARD",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "make a plan that restores one shard from a backup",
    .details = "As `rollout rollback --restore`, for one shard (its name or uuid) and any of the "
               "backups that rollouts\n"
               "have made of it, or that its agent has (`pgtide backup list`).",
    .options = restore_options,
    .run = run_restore,
};
const CliCommand cmd_rollout_approve = {
    .words = "rollout approve",
    .arguments = "FILE.plan",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "sign a plan's digest as an approver",
    .details = "Tells what the file says, as `pgtide rollout plan --show` does, and signs that.",
    .options = approve_options,
    .run = run_approve,
};
const CliCommand cmd_rollout_reject = {
    .words = "rollout reject",
    .arguments = "FILE.plan",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "veto a plan",
    .options = approve_options,
    .run = run_reject,
};
