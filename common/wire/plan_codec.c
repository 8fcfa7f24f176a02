#include "plan_codec.h"

#include "codec_common.h"

#include "contract_codec.h"
#include "merkle.h"
#include "named_limits.h"
#include "rehearsal_codec.h"

#include <stdlib.h>
#include <string.h>

/* --- header ----------------------------------------------------------------------------------- */

static ErrCode waves_decode(Arena *arena, const Pgtide__V1__PlanHeader *in, PlanHeader *out,
                            Error *err)
{
    CHECK(proto_count(in->n_waves, LIMIT_PLAN_WAVES, "waves", err));
    uint64_t shards = 0;
    out->waves = ARENA_ARRAY(arena, WavePlan, in->n_waves + 1);
    out->wave_count = in->n_waves;
    for (size_t i = 0; i < in->n_waves; i++) {
        const Pgtide__V1__Wave *wave = in->waves[i];
        CHECK(proto_identifier(wave->name, "wave name", false, &out->waves[i].name, err));
        if (wave->shard_count == 0) {
            return err_set(err, ERR_PROTOCOL, "wave %s has no shards", wave->name);
        }
        out->waves[i].shard_count = wave->shard_count;
        out->waves[i].bake_ms = wave->bake_ms;
        out->waves[i].budget = wave->budget;
        shards += wave->shard_count;
    }
    if (shards != in->shard_count || shards == 0) {
        return err_set(err, ERR_PROTOCOL, "the waves have %llu shards, the plan %u",
                       (unsigned long long)shards, in->shard_count);
    }
    return ERR_OK;
}

ErrCode windows_decode(Arena *arena, Pgtide__V1__Window *const *items, size_t count,
                       WindowPlan **ret_windows, Error *err)
{
    CHECK(proto_count(count, LIMIT_PLAN_WINDOWS, "windows", err));
    WindowPlan *windows = ARENA_ARRAY(arena, WindowPlan, count + 1);
    for (size_t i = 0; i < count; i++) {
        const Pgtide__V1__Window *in = items[i];
        CHECK(proto_identifier(in->zone, "time zone", false, &windows[i].zone, err));
        if (in->days == 0 || in->days > WINDOW_DAYS_ALL || in->from_minute >= WINDOW_MINUTES ||
            in->to_minute >= WINDOW_MINUTES || in->from_minute == in->to_minute) {
            return err_set(err, ERR_PROTOCOL, "window %zu has no days or no length", i + 1);
        }
        windows[i].days = in->days;
        windows[i].from_minute = in->from_minute;
        windows[i].to_minute = in->to_minute;
        windows[i].cutoff_ms = in->cutoff_ms;
    }
    *ret_windows = windows;
    return ERR_OK;
}

ErrCode budgets_decode(Arena *arena, Pgtide__V1__ScopeBudget *const *items, size_t count,
                       ScopeBudget **ret_budgets, Error *err)
{
    CHECK(proto_count(count, LIMIT_PLAN_BUDGETS, "budgets", err));
    ScopeBudget *budgets = ARENA_ARRAY(arena, ScopeBudget, count + 1);
    for (size_t i = 0; i < count; i++) {
        CHECK(proto_identifier(items[i]->label, "label", true, &budgets[i].label, err));
        budgets[i].percent = items[i]->is_percent != 0;
        budgets[i].value = items[i]->value;
        if (budgets[i].percent && budgets[i].value > 100) {
            return err_set(err, ERR_PROTOCOL, "a budget of %u percent", budgets[i].value);
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(budgets[k].label, budgets[i].label) == 0) {
                return err_set(err, ERR_PROTOCOL, "two budgets of one scope");
            }
        }
    }
    *ret_budgets = budgets;
    return ERR_OK;
}

static Pgtide__V1__ScopeBudget **budgets_encode(Arena *arena, const PlanHeader *header)
{
    Pgtide__V1__ScopeBudget **items =
        ARENA_ARRAY(arena, Pgtide__V1__ScopeBudget *, header->budget_count + 1);
    for (size_t i = 0; i < header->budget_count; i++) {
        items[i] = ARENA_NEW(arena, Pgtide__V1__ScopeBudget);
        pgtide__v1__scope_budget__init(items[i]);
        items[i]->label = proto_from_text(header->budgets[i].label);
        items[i]->is_percent = header->budgets[i].percent;
        items[i]->value = header->budgets[i].value;
    }
    return items;
}

static ErrCode gate_decode(Arena *arena, const Pgtide__V1__Gate *in, GatePlan *out, Error *err)
{
    CHECK(proto_identifier(in->name, "gate name", false, &out->name, err));
    CHECK(proto_enum((int)in->kind, GATE_KIND_COUNT, "gate kind", err));
    CHECK(proto_text(in->success, "gate condition", &out->success, err));
    CHECK(proto_text(in->failure, "gate condition", &out->failure, err));
    if (strlen(in->text) > LIMIT_GATE_TEXT_BYTES) {
        return err_set(err, ERR_LIMIT, "gate %s has more than %d bytes", in->name,
                       LIMIT_GATE_TEXT_BYTES);
    }
    if (in->when == 0 || in->when > GATE_WHEN_ALL || in->interval_ms == 0 || in->attempts == 0 ||
        in->timeout_ms == 0) {
        return err_set(err, ERR_PROTOCOL, "gate %s says not when, or how often", in->name);
    }
    CHECK(proto_count(in->n_ignore, LIMIT_GATE_IGNORE, "roles that a gate ignores", err));
    for (size_t i = 0; i < in->n_ignore; i++) {
        const char *role;
        CHECK(proto_text(in->ignore[i], "role that a gate ignores", &role, err));
        strlist_add(arena, &out->ignore, role);
    }
    out->kind = (GateKind)in->kind;
    out->when = in->when;
    out->text = in->text;
    out->limit = in->limit;
    out->waiting_max = in->waiting_max;
    out->interval_ms = in->interval_ms;
    out->attempts = in->attempts;
    out->timeout_ms = in->timeout_ms;
    return ERR_OK;
}

ErrCode gates_decode(Arena *arena, Pgtide__V1__Gate *const *items, size_t count,
                     GatePlan **ret_gates, Error *err)
{
    CHECK(proto_count(count, LIMIT_PLAN_GATES, "gates", err));
    GatePlan *gates = ARENA_ARRAY(arena, GatePlan, count + 1);
    for (size_t i = 0; i < count; i++) {
        CHECK(gate_decode(arena, items[i], &gates[i], err));
    }
    *ret_gates = gates;
    return ERR_OK;
}

static ErrCode required_evidence_decode(Arena *arena, const Pgtide__V1__Requirement *in,
                                        Requirement *out, Error *err)
{
    const Pgtide__V1__RequiredEvidence *from = in->evidence;
    RequiredEvidence *to = ARENA_NEW(arena, RequiredEvidence);
    CHECK(proto_digest(&from->sha256, "evidence digest", &to->sha256, err));
    CHECK(proto_digest(&from->trust_sha256, "trust file digest", &to->trust_sha256, err));
    CHECK(proto_uuid(&from->fleet_id, "fleet of the evidence", &to->fleet_id, err));
    CHECK(proto_uuid(&from->rollout_id, "rollout of the evidence", &to->rollout_id, err));
    CHECK(proto_digest(&from->bundle_digest, "bundle of the evidence", &to->bundle_digest, err));
    CHECK(proto_text(from->target, "target of the evidence", &to->target, err));
    if (in->rollout[0] == '\0' || in->n_labels > 0) {
        return err_set(err, ERR_PROTOCOL, "evidence is of a rollout by name, and of no labels");
    }
    out->evidence = to;
    return ERR_OK;
}

ErrCode requires_decode(Arena *arena, Pgtide__V1__Requirement *const *items, size_t count,
                        Requirement **ret_requires, Error *err)
{
    CHECK(proto_count(count, LIMIT_PLAN_REQUIRES, "requirements", err));
    Requirement *out = ARENA_ARRAY(arena, Requirement, count + 1);
    for (size_t i = 0; i < count; i++) {
        out[i].rollout = "";
        if (items[i]->rollout[0] != '\0') {
            CHECK(proto_name(items[i]->rollout, "required rollout", &out[i].rollout, err));
        }
        CHECK(labels_decode(arena, items[i]->labels, items[i]->n_labels, &out[i].labels, err));
        if (items[i]->rollout[0] == '\0' && items[i]->n_labels == 0) {
            return err_set(err, ERR_PROTOCOL, "a requirement of no rollout and no labels");
        }
        if (items[i]->evidence != NULL) {
            CHECK(required_evidence_decode(arena, items[i], &out[i], err));
        }
    }
    *ret_requires = out;
    return ERR_OK;
}

static Pgtide__V1__RequiredEvidence *required_evidence_encode(Arena *arena,
                                                              const RequiredEvidence *from)
{
    Pgtide__V1__RequiredEvidence *to = ARENA_NEW(arena, Pgtide__V1__RequiredEvidence);
    pgtide__v1__required_evidence__init(to);
    to->sha256 = proto_from_digest(&from->sha256);
    to->trust_sha256 = proto_from_digest(&from->trust_sha256);
    to->fleet_id = proto_from_uuid(&from->fleet_id);
    to->rollout_id = proto_from_uuid(&from->rollout_id);
    to->bundle_digest = proto_from_digest(&from->bundle_digest);
    to->target = proto_from_text(from->target);
    return to;
}

static Pgtide__V1__Requirement **requires_encode(Arena *arena, const PlanHeader *header)
{
    Pgtide__V1__Requirement **items =
        ARENA_ARRAY(arena, Pgtide__V1__Requirement *, header->require_count + 1);
    for (size_t i = 0; i < header->require_count; i++) {
        const Requirement *from = &header->requires[i];
        items[i] = ARENA_NEW(arena, Pgtide__V1__Requirement);
        pgtide__v1__requirement__init(items[i]);
        items[i]->rollout = proto_from_text(from->rollout);
        items[i]->n_labels = from->labels.count;
        items[i]->labels = labels_encode(arena, &from->labels);
        if (from->evidence != NULL)
            items[i]->evidence = required_evidence_encode(arena, from->evidence);
    }
    return items;
}

static Pgtide__V1__Gate **gates_encode(Arena *arena, const PlanHeader *header)
{
    Pgtide__V1__Gate **items = ARENA_ARRAY(arena, Pgtide__V1__Gate *, header->gate_count + 1);
    for (size_t i = 0; i < header->gate_count; i++) {
        const GatePlan *gate = &header->gates[i];
        items[i] = ARENA_NEW(arena, Pgtide__V1__Gate);
        pgtide__v1__gate__init(items[i]);
        items[i]->name = proto_from_text(gate->name);
        items[i]->kind = (Pgtide__V1__GateKind)gate->kind;
        items[i]->when = gate->when;
        items[i]->text = proto_from_text(gate->text);
        items[i]->success = proto_from_text(gate->success);
        items[i]->failure = proto_from_text(gate->failure);
        items[i]->limit = gate->limit;
        items[i]->waiting_max = gate->waiting_max;
        items[i]->interval_ms = gate->interval_ms;
        items[i]->attempts = gate->attempts;
        items[i]->timeout_ms = gate->timeout_ms;
        items[i]->n_ignore = gate->ignore.count;
        items[i]->ignore = ARENA_ARRAY(arena, char *, gate->ignore.count + 1);
        for (size_t k = 0; k < gate->ignore.count; k++)
            items[i]->ignore[k] = proto_from_text(gate->ignore.items[k]);
    }
    return items;
}

static Pgtide__V1__Window **windows_encode(Arena *arena, const PlanHeader *header)
{
    Pgtide__V1__Window **items = ARENA_ARRAY(arena, Pgtide__V1__Window *, header->window_count + 1);
    for (size_t i = 0; i < header->window_count; i++) {
        const WindowPlan *window = &header->windows[i];
        items[i] = ARENA_NEW(arena, Pgtide__V1__Window);
        pgtide__v1__window__init(items[i]);
        items[i]->days = window->days;
        items[i]->from_minute = window->from_minute;
        items[i]->to_minute = window->to_minute;
        items[i]->zone = proto_from_text(window->zone);
        items[i]->cutoff_ms = window->cutoff_ms;
    }
    return items;
}

static ErrCode notes_decode(Arena *arena, const Pgtide__V1__PlanNotes *in, PlanNotes *out,
                            Error *err)
{
    *out = (PlanNotes){.select = "", .order = ""};
    if (in == NULL) {
        return ERR_OK;
    }
    CHECK(proto_text(in->select, "selection", &out->select, err));
    CHECK(proto_text(in->order, "order", &out->order, err));
    CHECK(proto_count(in->n_left_out, LIMIT_PLAN_LEFT_OUT, "shards left out", err));
    CHECK(proto_count(in->n_irreversible, LIMIT_STEPS, "irreversible revisions", err));
    if (in->left_out_count < in->n_left_out) {
        return err_set(err, ERR_PROTOCOL, "more shards are left out than are counted");
    }
    out->already_there = in->already_there;
    out->left_out_count = in->left_out_count;
    out->left_out_named = in->n_left_out;
    out->left_out = ARENA_ARRAY(arena, LeftOut, in->n_left_out + 1);
    for (size_t i = 0; i < in->n_left_out; i++) {
        CHECK(proto_text(in->left_out[i]->shard, "shard", &out->left_out[i].shard, err));
        CHECK(proto_text(in->left_out[i]->reason, "reason", &out->left_out[i].reason, err));
    }
    out->irreversible_count = in->n_irreversible;
    out->irreversible = ARENA_ARRAY(arena, Irreversible, in->n_irreversible + 1);
    for (size_t i = 0; i < in->n_irreversible; i++) {
        Irreversible *item = &out->irreversible[i];
        CHECK(proto_text(in->irreversible[i]->revision, "revision", &item->revision, err));
        CHECK(proto_text(in->irreversible[i]->reason, "reason", &item->reason, err));
    }
    CHECK(proto_count(in->n_drifted, LIMIT_PLAN_DRIFTED, "shards that have drifted", err));
    if (in->drifted_count < in->n_drifted)
        return err_set(err, ERR_PROTOCOL, "more shards have drifted than are counted");
    out->drifted_count = in->drifted_count;
    for (size_t i = 0; i < in->n_drifted; i++) {
        const char *name;
        CHECK(proto_text(in->drifted[i], "shard", &name, err));
        strlist_add(arena, &out->drifted, name);
    }
    return ERR_OK;
}

static Pgtide__V1__PlanNotes *notes_encode(Arena *arena, const PlanNotes *notes)
{
    if (notes->order == NULL || notes->order[0] == '\0') {
        return NULL;
    }
    Pgtide__V1__PlanNotes *out = ARENA_NEW(arena, Pgtide__V1__PlanNotes);
    pgtide__v1__plan_notes__init(out);
    out->select = proto_from_text(notes->select);
    out->order = proto_from_text(notes->order);
    out->already_there = notes->already_there;
    out->left_out_count = notes->left_out_count;
    out->n_left_out = notes->left_out_named;
    out->left_out = ARENA_ARRAY(arena, Pgtide__V1__LeftOut *, notes->left_out_named + 1);
    for (size_t i = 0; i < notes->left_out_named; i++) {
        out->left_out[i] = ARENA_NEW(arena, Pgtide__V1__LeftOut);
        pgtide__v1__left_out__init(out->left_out[i]);
        out->left_out[i]->shard = proto_from_text(notes->left_out[i].shard);
        out->left_out[i]->reason = proto_from_text(notes->left_out[i].reason);
    }
    out->drifted_count = notes->drifted_count;
    out->n_drifted = notes->drifted.count;
    out->drifted = texts_encode(&notes->drifted);
    out->n_irreversible = notes->irreversible_count;
    out->irreversible =
        ARENA_ARRAY(arena, Pgtide__V1__Irreversible *, notes->irreversible_count + 1);
    for (size_t i = 0; i < notes->irreversible_count; i++) {
        out->irreversible[i] = ARENA_NEW(arena, Pgtide__V1__Irreversible);
        pgtide__v1__irreversible__init(out->irreversible[i]);
        out->irreversible[i]->revision = proto_from_text(notes->irreversible[i].revision);
        out->irreversible[i]->reason = proto_from_text(notes->irreversible[i].reason);
    }
    return out;
}

static ErrCode header_fields_decode(Arena *arena, const Pgtide__V1__PlanHeader *in, PlanHeader *out,
                                    Error *err)
{
    CHECK(proto_uuid(&in->fleet_id, "fleet id", &out->fleet_id, err));
    CHECK(proto_uuid(&in->rollout_id, "rollout id", &out->rollout_id, err));
    CHECK(proto_name(in->name, "rollout name", &out->name, err));
    if (!key_id_is_valid(in->author)) {
        return err_set(err, ERR_PROTOCOL, "the author is not a key id");
    }
    out->author = in->author;
    out->created_unix_ms = in->created_unix_ms;
    out->expires_unix_ms = in->expires_unix_ms;
    if (in->created_unix_ms == 0 || in->expires_unix_ms <= in->created_unix_ms) {
        return err_set(err, ERR_PROTOCOL, "the plan expires before it was made");
    }
    CHECK(proto_digest(&in->bundle_digest, "bundle digest", &out->bundle_digest, err));
    CHECK(proto_identifier(in->bundle_name, "bundle name", false, &out->bundle_name, err));
    CHECK(proto_enum((int)in->direction, DIRECTION_COUNT, "direction", err));
    out->direction = (Direction)in->direction;
    CHECK(proto_text(in->target, "target", &out->target, err));
    CHECK(proto_uuid_or_nil(&in->rollback_of, "rollback_of", &out->rollback_of, err));
    CHECK(proto_count(in->shard_count, LIMIT_PLAN_SHARDS, "shards", err));
    out->shard_count = in->shard_count;
    CHECK(proto_digest(&in->shards_root, "shards root", &out->shards_root, err));
    CHECK(waves_decode(arena, in, out, err));
    CHECK(windows_decode(arena, in->windows, in->n_windows, &out->windows, err));
    out->window_count = in->n_windows;
    CHECK(budgets_decode(arena, in->budgets, in->n_budgets, &out->budgets, err));
    out->budget_count = in->n_budgets;
    CHECK(gates_decode(arena, in->gates, in->n_gates, &out->gates, err));
    out->gate_count = in->n_gates;
    CHECK(requires_decode(arena, in->requires, in->n_requires, &out->requires, err));
    out->require_count = in->n_requires;
    for (size_t i = 0; i < out->require_count; i++) {
        const RequiredEvidence *evidence = out->requires[i].evidence;
        if (evidence != NULL && !digest_equal(&evidence->bundle_digest, &out->bundle_digest)) {
            return err_set(err, ERR_PROTOCOL, "the evidence required is of another bundle");
        }
    }
    CHECK(contract_decode(arena, in->contract, out->gates, out->gate_count, &out->contract, err));
    CHECK(rehearsal_decode(arena, in->rehearsal, &out->rehearsal, err));
    out->accept_data_loss = in->accept_data_loss != 0;
    if (out->accept_data_loss && out->direction != DIRECTION_RESTORE) {
        return err_set(err, ERR_PROTOCOL, "only a restore can accept the loss of data");
    }
    out->seed = in->seed;
    CHECK(notes_decode(arena, in->notes, &out->notes, err));
    return policy_decode(in->policy, &out->policy, err);
}

ErrCode plan_header_decode(Arena *arena, const void *bytes, size_t length, PlanHeader *out,
                           Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__plan_header__descriptor, bytes, length,
                       UNKNOWN_FIELDS_REFUSE, &message, err));
    PlanHeader header = {0};
    CHECK(header_fields_decode(arena, (Pgtide__V1__PlanHeader *)message, &header, err));
    *out = header;
    return ERR_OK;
}

ErrCode plan_header_encode(Arena *arena, const PlanHeader *header, uint8_t **ret_bytes,
                           size_t *ret_length, Error *err)
{
    CHECK(proto_count(header->wave_count, LIMIT_PLAN_WAVES, "waves", err));
    Pgtide__V1__PlanHeader out;
    pgtide__v1__plan_header__init(&out);
    out.fleet_id = proto_from_uuid(&header->fleet_id);
    out.rollout_id = proto_from_uuid(&header->rollout_id);
    out.name = proto_from_text(header->name);
    out.author = proto_from_text(header->author);
    out.created_unix_ms = header->created_unix_ms;
    out.expires_unix_ms = header->expires_unix_ms;
    out.bundle_digest = proto_from_digest(&header->bundle_digest);
    out.bundle_name = proto_from_text(header->bundle_name);
    out.direction = (Pgtide__V1__Direction)header->direction;
    out.target = proto_from_text(header->target);
    out.rollback_of = proto_from_uuid(&header->rollback_of);
    out.shard_count = header->shard_count;
    out.shards_root = proto_from_digest(&header->shards_root);
    out.n_waves = header->wave_count;
    out.waves = ARENA_ARRAY(arena, Pgtide__V1__Wave *, header->wave_count + 1);
    for (size_t i = 0; i < header->wave_count; i++) {
        Pgtide__V1__Wave *wave = ARENA_NEW(arena, Pgtide__V1__Wave);
        pgtide__v1__wave__init(wave);
        wave->name = proto_from_text(header->waves[i].name);
        wave->shard_count = header->waves[i].shard_count;
        wave->bake_ms = header->waves[i].bake_ms;
        wave->budget = header->waves[i].budget;
        out.waves[i] = wave;
    }
    out.policy = policy_encode(arena, &header->policy);
    out.n_windows = header->window_count;
    out.windows = windows_encode(arena, header);
    out.n_budgets = header->budget_count;
    out.budgets = budgets_encode(arena, header);
    out.n_gates = header->gate_count;
    out.gates = gates_encode(arena, header);
    out.n_requires = header->require_count;
    out.requires = requires_encode(arena, header);
    out.contract = contract_encode(arena, &header->contract);
    out.rehearsal = rehearsal_encode(arena, &header->rehearsal);
    out.accept_data_loss = header->accept_data_loss;
    out.seed = header->seed;
    out.notes = notes_encode(arena, &header->notes);
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}

/* --- one shard -------------------------------------------------------------------------------- */

static ErrCode restore_decode(const Pgtide__V1__RestoreFrom *in, RestoreFrom *out, Error *err)
{
    out->path = "";
    if (in == NULL) {
        return ERR_OK;
    }
    CHECK(proto_text(in->path, "path of a backup", &out->path, err));
    if (in->path[0] == '\0') {
        return err_set(err, ERR_PROTOCOL, "a backup without a path");
    }
    out->size_bytes = in->size_bytes;
    return proto_digest(&in->sha256, "digest of a backup", &out->sha256, err);
}

static ErrCode shard_fields_decode(Arena *arena, const Pgtide__V1__PlanShard *in, PlanShard *out,
                                   Error *err)
{
    out->index = in->index;
    out->wave = in->wave;
    if (in->index >= LIMIT_PLAN_SHARDS || in->wave >= LIMIT_PLAN_WAVES) {
        return err_set(err, ERR_LIMIT, "shard %u of wave %u is beyond the limits", in->index,
                       in->wave);
    }
    CHECK(proto_uuid(&in->uuid, "shard uuid", &out->uuid, err));
    CHECK(proto_name(in->agent, "agent", &out->agent, err));
    CHECK(proto_name(in->host, "host", &out->host, err));
    CHECK(proto_name(in->cluster, "cluster", &out->cluster, err));
    CHECK(proto_identifier(in->database, "database", false, &out->database, err));
    CHECK(proto_identifier(in->schema, "schema", true, &out->schema, err));
    if (in->system_identifier == 0 || in->database_oid == 0) {
        return err_set(err, ERR_PROTOCOL, "a shard without system identifier or database oid");
    }
    out->system_identifier = in->system_identifier;
    out->database_oid = in->database_oid;
    out->size_bytes = in->size_bytes;
    out->estimated_ms = in->estimated_ms;
    out->backup_bytes = in->backup_bytes;
    CHECK(proto_revisions(arena, in->rows_before, in->n_rows_before, LIMIT_ROWS, true,
                          "rows before", &out->rows_before, err));
    CHECK(proto_revisions(arena, in->steps, in->n_steps, LIMIT_STEPS, false, "steps", &out->steps,
                          err));
    CHECK(proto_revisions(arena, in->rows_after, in->n_rows_after, LIMIT_ROWS, true, "rows after",
                          &out->rows_after, err));
    CHECK(restore_decode(in->restore, &out->restore, err));
    return labels_decode(arena, in->labels, in->n_labels, &out->labels, err);
}

ErrCode plan_shard_decode(Arena *arena, const void *bytes, size_t length, PlanShard *out,
                          Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__plan_shard__descriptor, bytes, length,
                       UNKNOWN_FIELDS_REFUSE, &message, err));
    PlanShard shard = {0};
    CHECK(shard_fields_decode(arena, (Pgtide__V1__PlanShard *)message, &shard, err));
    *out = shard;
    return ERR_OK;
}

ErrCode plan_shard_encode(Arena *arena, const PlanShard *shard, uint8_t **ret_bytes,
                          size_t *ret_length, Error *err)
{
    CHECK(proto_count(shard->steps.count, LIMIT_STEPS, "steps", err));
    Pgtide__V1__PlanShard out;
    pgtide__v1__plan_shard__init(&out);
    out.index = shard->index;
    out.wave = shard->wave;
    out.uuid = proto_from_uuid(&shard->uuid);
    out.agent = proto_from_text(shard->agent);
    out.host = proto_from_text(shard->host);
    out.cluster = proto_from_text(shard->cluster);
    out.database = proto_from_text(shard->database);
    out.schema = proto_from_text(shard->schema);
    out.system_identifier = shard->system_identifier;
    out.database_oid = shard->database_oid;
    out.n_rows_before = shard->rows_before.count;
    out.rows_before = texts_encode(&shard->rows_before);
    out.n_steps = shard->steps.count;
    out.steps = texts_encode(&shard->steps);
    out.n_rows_after = shard->rows_after.count;
    out.rows_after = texts_encode(&shard->rows_after);
    out.n_labels = shard->labels.count;
    out.labels = labels_encode(arena, &shard->labels);
    Pgtide__V1__RestoreFrom restore = PGTIDE__V1__RESTORE_FROM__INIT;
    if (plan_shard_restores(shard)) {
        restore.path = proto_from_text(shard->restore.path);
        restore.sha256 = proto_from_digest(&shard->restore.sha256);
        restore.size_bytes = shard->restore.size_bytes;
        out.restore = &restore;
    }
    out.size_bytes = shard->size_bytes;
    out.estimated_ms = shard->estimated_ms;
    out.backup_bytes = shard->backup_bytes;
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}

/* --- approval --------------------------------------------------------------------------------- */

ErrCode approval_decode(Arena *arena, const void *bytes, size_t length, Approval *out, Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__approval__descriptor, bytes, length,
                       UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__Approval *in = (Pgtide__V1__Approval *)message;
    Approval approval = {0};
    CHECK(proto_digest(&in->plan_digest, "plan digest", &approval.plan_digest, err));
    CHECK(proto_enum((int)in->verdict, VERDICT_COUNT, "verdict", err));
    approval.verdict = (Verdict)in->verdict;
    approval.created_unix_ms = in->created_unix_ms;
    approval.expires_unix_ms = in->expires_unix_ms;
    if (in->created_unix_ms == 0 || in->expires_unix_ms <= in->created_unix_ms) {
        return err_set(err, ERR_PROTOCOL, "the approval expires before it was made");
    }
    CHECK(proto_text(in->reason, "reason", &approval.reason, err));
    *out = approval;
    return ERR_OK;
}

ErrCode approval_encode(Arena *arena, const Approval *approval, uint8_t **ret_bytes,
                        size_t *ret_length, Error *err)
{
    (void)err;
    Pgtide__V1__Approval out;
    pgtide__v1__approval__init(&out);
    out.plan_digest = proto_from_digest(&approval->plan_digest);
    out.verdict = (Pgtide__V1__Verdict)approval->verdict;
    out.created_unix_ms = approval->created_unix_ms;
    out.expires_unix_ms = approval->expires_unix_ms;
    out.reason = proto_from_text(approval->reason);
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}

/* --- files of several parts ------------------------------------------------------------------- */

static ByteSpan *spans_decode(Arena *arena, const ProtobufCBinaryData *items, size_t count)
{
    ByteSpan *spans = ARENA_ARRAY(arena, ByteSpan, count + 1);
    for (size_t i = 0; i < count; i++) {
        spans[i] = span_decode(&items[i]);
    }
    return spans;
}

static ProtobufCBinaryData *spans_encode(Arena *arena, const ByteSpan *spans, size_t count)
{
    ProtobufCBinaryData *items = ARENA_ARRAY(arena, ProtobufCBinaryData, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i] = proto_bytes(spans[i].bytes, spans[i].length);
    }
    return items;
}

ErrCode plan_file_encode(Arena *arena, const PlanFile *file, uint8_t **ret_bytes,
                         size_t *ret_length, Error *err)
{
    CHECK(proto_count(file->shard_count, LIMIT_PLAN_SHARDS, "shards", err));
    Pgtide__V1__PlanFile out;
    pgtide__v1__plan_file__init(&out);
    out.header_envelope = proto_bytes(file->header_envelope.bytes, file->header_envelope.length);
    out.n_shards = file->shard_count;
    out.shards = spans_encode(arena, file->shards, file->shard_count);
    if (pgtide__v1__plan_file__get_packed_size(&out) > LIMIT_PLAN_BYTES) {
        return err_set(err, ERR_LIMIT, "the plan is larger than %d bytes", LIMIT_PLAN_BYTES);
    }
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}

ErrCode plan_file_decode(Arena *arena, const void *bytes, size_t length, PlanFile *out, Error *err)
{
    ProtobufCMessage *message;
    if (proto_unpack(arena, &pgtide__v1__plan_file__descriptor, bytes, length,
                     UNKNOWN_FIELDS_REFUSE, &message, err) != ERR_OK) {
        return err_wrap(err, "not a plan");
    }
    const Pgtide__V1__PlanFile *in = (Pgtide__V1__PlanFile *)message;
    CHECK(proto_count(in->n_shards, LIMIT_PLAN_SHARDS, "shards", err));
    *out = (PlanFile){span_decode(&in->header_envelope),
                      spans_decode(arena, in->shards, in->n_shards), in->n_shards};
    return ERR_OK;
}

static int compare_uuid_pointers(const void *a, const void *b)
{
    return uuid_compare(*(const Uuid *const *)a, *(const Uuid *const *)b);
}

static ErrCode check_no_shard_twice(const PlanShard *shards, size_t count, Error *err)
{
    const Uuid **sorted = xcalloc(count, sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = &shards[i].uuid;
    }
    qsort(sorted, count, sizeof *sorted, compare_uuid_pointers);
    ErrCode code = ERR_OK;
    for (size_t i = 1; i < count && code == ERR_OK; i++) {
        if (uuid_equal(sorted[i - 1], sorted[i])) {
            char text[UUID_TEXT_SIZE];
            uuid_format(sorted[i], text);
            code = err_set(err, ERR_PROTOCOL, "shard %s is in the plan twice", text);
        }
    }
    free(sorted);
    return code;
}

static ErrCode check_shards_root(const PlanFile *file, const PlanHeader *header, Error *err)
{
    Digest *leaves = xcalloc(file->shard_count, sizeof *leaves);
    for (size_t i = 0; i < file->shard_count; i++) {
        leaves[i] = merkle_leaf(file->shards[i].bytes, file->shards[i].length);
    }
    Digest root = merkle_root(leaves, file->shard_count);
    free(leaves);
    if (!digest_equal(&root, &header->shards_root)) {
        return err_set(err, ERR_DIGEST_MISMATCH, "the plan's shards are not those its header says");
    }
    return ERR_OK;
}

ErrCode plan_file_check(Arena *arena, const PlanFile *file, const PlanHeader *header,
                        PlanShard **ret_shards, Error *err)
{
    if (file->shard_count != header->shard_count || header->wave_count == 0) {
        return err_set(err, ERR_PROTOCOL, "the plan has %zu shards, its header says %u",
                       file->shard_count, header->shard_count);
    }
    CHECK(check_shards_root(file, header, err));
    PlanShard *shards = ARENA_ARRAY(arena, PlanShard, file->shard_count);
    size_t wave = 0;
    uint64_t wave_end = header->waves[0].shard_count;
    for (size_t i = 0; i < file->shard_count; i++) {
        CHECK(plan_shard_decode(arena, file->shards[i].bytes, file->shards[i].length, &shards[i],
                                err));
        while (i >= wave_end && wave + 1 < header->wave_count) {
            wave_end += header->waves[++wave].shard_count;
        }
        if (shards[i].index != i || shards[i].wave != wave) {
            return err_set(err, ERR_PROTOCOL, "shard %zu of the plan is out of its place", i);
        }
        bool restores = header->direction == DIRECTION_RESTORE;
        if (restores != plan_shard_restores(&shards[i])) {
            return err_set(err, ERR_PROTOCOL, "shard %zu of the plan %s a backup", i,
                           restores ? "is to be restored without" : "names");
        }
    }
    CHECK(check_no_shard_twice(shards, file->shard_count, err));
    if (ret_shards != NULL) {
        *ret_shards = shards;
    }
    return ERR_OK;
}

ErrCode plan_dossier_encode(Arena *arena, const PlanDossier *dossier, uint8_t **ret_bytes,
                            size_t *ret_length, Error *err)
{
    CHECK(proto_count(dossier->approval_count, LIMIT_OPERATORS, "approvals", err));
    Pgtide__V1__PlanDossier out;
    pgtide__v1__plan_dossier__init(&out);
    out.header_envelope =
        proto_bytes(dossier->header_envelope.bytes, dossier->header_envelope.length);
    out.n_approvals = dossier->approval_count;
    out.approvals = spans_encode(arena, dossier->approvals, dossier->approval_count);
    *ret_bytes = proto_pack(arena, &out.base, ret_length);
    return ERR_OK;
}

ErrCode plan_dossier_decode(Arena *arena, const void *bytes, size_t length, PlanDossier *out,
                            Error *err)
{
    ProtobufCMessage *message;
    CHECK(proto_unpack(arena, &pgtide__v1__plan_dossier__descriptor, bytes, length,
                       UNKNOWN_FIELDS_REFUSE, &message, err));
    const Pgtide__V1__PlanDossier *in = (Pgtide__V1__PlanDossier *)message;
    CHECK(proto_count(in->n_approvals, LIMIT_OPERATORS, "approvals", err));
    *out = (PlanDossier){span_decode(&in->header_envelope),
                         spans_decode(arena, in->approvals, in->n_approvals), in->n_approvals};
    return ERR_OK;
}
