#include "drift_client.h"

#include "proto_read.h"

#include <string.h>

ErrCode drift_view(Client *client, const char *select, json_t **ret_view, Error *err)
{
    Pgtide__V1__View message = PGTIDE__V1__VIEW__INIT;
    ClientAnswer answer;
    message.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_DRIFT;
    message.select = proto_from_text(select);
    ErrCode code = client_view(client, &message, &answer, err);
    if (code == ERR_OK)
        *ret_view = json_deep_copy(answer.result);
    return code;
}

int64_t drift_untold(const json_t *view)
{
    int64_t untold = answer_int(view, "groups_untold");
    const json_t *groups = json_object_get(view, "groups");
    for (size_t i = 0; i < json_array_size(groups); i++)
        untold += answer_int(json_array_get(groups, i), "classes_untold");
    return untold;
}

ErrCode drift_view_shard(Client *client, const char *name, json_t **ret_shard, Error *err)
{
    Pgtide__V1__View message = PGTIDE__V1__VIEW__INIT;
    ClientAnswer answer;
    message.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_DRIFT;
    message.shard = proto_from_text(name);
    ErrCode code = client_view(client, &message, &answer, err);
    if (code == ERR_OK)
        *ret_shard = json_deep_copy(json_object_get(answer.result, "shard"));
    return code;
}

ErrCode drift_differences(Client *client, const json_t *shard, json_t **ret_differences, Error *err)
{
    Pgtide__V1__ReadDrift message = PGTIDE__V1__READ_DRIFT__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    ClientAnswer answer;
    const json_t *result;
    Digest fingerprint, dump;
    if (!fingerprint_parse(answer_text(shard, "expected"), &fingerprint) ||
        !digest_parse(answer_text(shard, "dump_blob_digest"), &dump)) {
        err_set(err, ERR_STATE, "nothing is expected of %.200s at its rows",
                answer_text(shard, "name"));
        err_hint(err, "Say what the schema is to be with `pgtide drift expect`.");
        return ERR_STATE;
    }
    message.cluster = proto_from_text(answer_text(shard, "cluster"));
    message.database = proto_from_text(answer_text(shard, "database"));
    message.schema = proto_from_text(answer_text(shard, "schema"));
    message.fingerprint = proto_from_digest(&fingerprint);
    message.dump_blob_digest = proto_from_digest(&dump);
    request.body_case = PGTIDE__V1__REQUEST__BODY_READ_DRIFT;
    request.read_drift = &message;
    ErrCode code = client_request(client, &request, &answer, err);
    if (code == ERR_OK)
        code = answer_of_agent(&answer, &result, err);
    if (code == ERR_OK)
        *ret_differences = json_deep_copy(result);
    return code;
}

const char *drift_place_text(Arena *arena, const json_t *place)
{
    StrList rows = drift_rows(arena, place);
    bool in_schema = strcmp(answer_text(place, "scope"), "schema") == 0;
    return arena_printf(arena, "%s (%s, PostgreSQL %lld)",
                        rows.count == 0 ? "no revision" : strlist_join(arena, &rows, ", "),
                        in_schema ? "schemas" : "databases",
                        (long long)answer_int(place, "server_major"));
}

const char *drift_short(Arena *arena, const char *fingerprint)
{
    enum { SHOWN = 3 + 12 };
    return arena_strndup(arena, fingerprint, strnlen(fingerprint, SHOWN));
}

StrList drift_rows(Arena *arena, const json_t *place)
{
    StrList rows = {0};
    const json_t *array = json_object_get(place, "rows");
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *row = json_string_value(json_array_get(array, i));
        if (row != NULL)
            strlist_add(arena, &rows, row);
    }
    return rows;
}
