#include "rehearsal_codec.h"

#include "named_limits.h"
#include "proto_read.h"

#include <string.h>

static ErrCode step_decode(const Pgtide__V1__RehearsedStep *in, RehearsedStep *out, Error *err)
{
    if (!revision_id_is_valid(in->revision))
        return err_set(err, ERR_PROTOCOL, "revision of a rehearsal: not a revision id");
    *out = (RehearsedStep){
        .revision = in->revision,
        .estimate_ms = in->estimate_ms,
        .reads_stopped_ms = in->reads_stopped_ms,
        .writes_stopped_ms = in->writes_stopped_ms,
    };
    return proto_name(in->work, "work of a rehearsed step", &out->work, err);
}

ErrCode rehearsal_decode(Arena *arena, const Pgtide__V1__Rehearsal *in, RehearsalPlan *out,
                         Error *err)
{
    *out = (RehearsalPlan){.database = "", .copy = ""};
    if (in == NULL)
        return ERR_OK;
    ErrCode code = proto_digest(&in->sha256, "rehearsal's digest", &out->sha256, err);
    if (code == ERR_OK)
        code = proto_digest(&in->bundle_digest, "rehearsed bundle", &out->bundle_digest, err);
    if (code == ERR_OK)
        code = proto_identifier(in->database, "rehearsed database", false, &out->database, err);
    if (code == ERR_OK)
        code = proto_name(in->copy, "way of copying", &out->copy, err);
    if (code == ERR_OK)
        code = proto_count(in->n_steps, LIMIT_STEPS, "rehearsed steps", err);
    if (code == ERR_OK && in->made_unix_ms == 0)
        code = err_set(err, ERR_PROTOCOL, "a rehearsal without its time");
    if (code != ERR_OK)
        return code;
    out->size_bytes = in->size_bytes;
    out->made_unix_ms = in->made_unix_ms;
    out->steps = ARENA_ARRAY(arena, RehearsedStep, in->n_steps + 1);
    out->step_count = in->n_steps;
    for (size_t i = 0; i < in->n_steps && code == ERR_OK; i++)
        code = step_decode(in->steps[i], &out->steps[i], err);
    return code;
}

Pgtide__V1__Rehearsal *rehearsal_encode(Arena *arena, const RehearsalPlan *rehearsal)
{
    if (rehearsal->made_unix_ms == 0)
        return NULL;
    Pgtide__V1__Rehearsal *out = ARENA_NEW(arena, Pgtide__V1__Rehearsal);
    pgtide__v1__rehearsal__init(out);
    out->sha256 = proto_from_digest(&rehearsal->sha256);
    out->bundle_digest = proto_from_digest(&rehearsal->bundle_digest);
    out->database = proto_from_text(rehearsal->database);
    out->copy = proto_from_text(rehearsal->copy);
    out->size_bytes = rehearsal->size_bytes;
    out->made_unix_ms = rehearsal->made_unix_ms;
    out->n_steps = rehearsal->step_count;
    out->steps = ARENA_ARRAY(arena, Pgtide__V1__RehearsedStep *, rehearsal->step_count + 1);
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        const RehearsedStep *step = &rehearsal->steps[i];
        Pgtide__V1__RehearsedStep *item = ARENA_NEW(arena, Pgtide__V1__RehearsedStep);
        pgtide__v1__rehearsed_step__init(item);
        item->revision = proto_from_text(step->revision);
        item->work = proto_from_text(step->work);
        item->estimate_ms = step->estimate_ms;
        item->reads_stopped_ms = step->reads_stopped_ms;
        item->writes_stopped_ms = step->writes_stopped_ms;
        out->steps[i] = item;
    }
    return out;
}

/* --- as JSON ---------------------------------------------------------------------------------- */

static void write_times(JsonWriter *json, const RehearsedStep *step)
{
    json_field_uint(json, "estimate_ms", step->estimate_ms);
    json_field_uint(json, "reads_stopped_ms", step->reads_stopped_ms);
    json_field_uint(json, "writes_stopped_ms", step->writes_stopped_ms);
}

static void write_worst(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    AUTO_ARENA Arena *arena = arena_new();
    RehearsedStep worst = {0};
    RehearsalPlan picked = {0};
    size_t at = 0;
    for (size_t i = 0; i < header->shard_count; i++) {
        if (i == 0 || !strlist_equal(&shards[i].steps, &shards[i - 1].steps)) {
            arena_reset(arena);
            picked = rehearsal_pick(arena, &header->rehearsal, &shards[i].steps);
        }
        RehearsedStep found = rehearsal_scale(&picked, shards[i].size_bytes);
        bool is_longer = found.estimate_ms == worst.estimate_ms
                             ? shards[i].size_bytes > shards[at].size_bytes
                             : found.estimate_ms > worst.estimate_ms;
        if (i == 0 || is_longer) {
            worst = found;
            at = i;
        }
    }
    json_field_object(json, "worst");
    json_field_string(json, "shard",
                      header->shard_count == 0
                          ? ""
                          : shard_display_name(arena, shards[at].cluster, shards[at].database,
                                               shards[at].schema));
    write_times(json, &worst);
    json_object_end(json);
}

void rehearsal_view(const PlanHeader *header, const PlanShard *shards, JsonWriter *json)
{
    const RehearsalPlan *rehearsal = &header->rehearsal;
    json_field_bool(json, "rehearsal_required", header->policy.rehearsal_required);
    if (rehearsal->made_unix_ms == 0) {
        json_field_null(json, "rehearsal");
        return;
    }
    json_field_object(json, "rehearsal");
    json_field_digest(json, "sha256", &rehearsal->sha256);
    json_field_string(json, "database", rehearsal->database);
    json_field_string(json, "copy", rehearsal->copy);
    json_field_uint(json, "size_bytes", rehearsal->size_bytes);
    json_field_time(json, "made", rehearsal->made_unix_ms);
    json_field_array(json, "steps");
    for (size_t i = 0; i < rehearsal->step_count; i++) {
        const RehearsedStep *step = &rehearsal->steps[i];
        json_object_begin(json);
        json_field_string(json, "revision", step->revision);
        json_field_string(json, "class", step->work);
        write_times(json, step);
        json_object_end(json);
    }
    json_array_end(json);
    write_worst(header, shards, json);
    json_object_end(json);
}
