#include "rehearsal_file.h"

#include "client.h"
#include "file.h"
#include "named_limits.h"
#include "proto_read.h"

#include <string.h>

static ErrCode refuse_form(const char *path, Error *err)
{
    err_set(err, ERR_CONFIG, "%.200s is no rehearsal of this version", path);
    err_hint(err, "`pgtide rehearse --bundle FILE -o FILE.rehearsal` writes one.");
    return ERR_CONFIG;
}

static uint64_t number(const json_t *object, const char *key)
{
    int64_t value = answer_int(object, key);
    return value > 0 ? (uint64_t)value : 0;
}

static char *text(Arena *arena, const json_t *object, const char *key)
{
    return proto_from_text(arena_strdup(arena, answer_text(object, key)));
}

static Pgtide__V1__RehearsedStep *read_step(Arena *arena, const json_t *in)
{
    Pgtide__V1__RehearsedStep *out = ARENA_NEW(arena, Pgtide__V1__RehearsedStep);
    pgtide__v1__rehearsed_step__init(out);
    out->revision = text(arena, in, "revision");
    out->work = text(arena, in, "class");
    out->estimate_ms = number(in, "estimate_ms");
    out->reads_stopped_ms = number(in, "reads_stopped_ms");
    out->writes_stopped_ms = number(in, "writes_stopped_ms");
    return out;
}

static ErrCode read_object(Arena *arena, const json_t *in, const char *path, const Digest *bundle,
                           Pgtide__V1__Rehearsal *out, Error *err)
{
    Digest *rehearsed = ARENA_NEW(arena, Digest);
    const json_t *steps = json_object_get(in, "steps");
    if (strcmp(answer_text(in, "format"), "pgtide-rehearsal-1") != 0 || !json_is_array(steps))
        return refuse_form(path, err);
    if (!digest_parse(answer_text(in, "bundle"), rehearsed) || !digest_equal(rehearsed, bundle)) {
        err_set(err, ERR_REFUSED, "%.200s is not a rehearsal of this bundle", path);
        err_hint(err, "Rehearse the very bundle that is planned: `pgtide rehearse --bundle`.");
        return ERR_REFUSED;
    }
    if (json_array_size(steps) > LIMIT_STEPS || number(in, "made_unix_ms") == 0)
        return refuse_form(path, err);
    out->bundle_digest = proto_from_digest(rehearsed);
    out->database = text(arena, in, "database");
    out->copy = text(arena, in, "copy");
    out->size_bytes = number(in, "size_bytes");
    out->made_unix_ms = number(in, "made_unix_ms");
    out->n_steps = json_array_size(steps);
    out->steps = ARENA_ARRAY(arena, Pgtide__V1__RehearsedStep *, out->n_steps + 1);
    for (size_t i = 0; i < out->n_steps; i++)
        out->steps[i] = read_step(arena, json_array_get(steps, i));
    return ERR_OK;
}

ErrCode rehearsal_file_read(Arena *arena, const char *path, const Digest *bundle,
                            Pgtide__V1__Rehearsal **ret_rehearsal, Error *err)
{
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(arena, path, LIMIT_REHEARSAL_BYTES, &bytes, &length, err);
    if (code != ERR_OK)
        return code;
    json_t *object = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, NULL);
    if (object == NULL)
        return refuse_form(path, err);
    Digest *sha256 = ARENA_NEW(arena, Digest);
    *sha256 = sha256_bytes(bytes, length);
    Pgtide__V1__Rehearsal *out = ARENA_NEW(arena, Pgtide__V1__Rehearsal);
    pgtide__v1__rehearsal__init(out);
    out->sha256 = proto_from_digest(sha256);
    code = read_object(arena, object, path, bundle, out, err);
    json_decref(object);
    if (code == ERR_OK)
        *ret_rehearsal = out;
    return code;
}
