#include "rehearse_shard.h"

#include "client.h"
#include "named_limits.h"
#include "packed_text.h"
#include "proto_read.h"

#include <string.h>

enum { SOURCE_TIMEOUT_MS = 5 * 60 * 1000 };

static StrList texts(Arena *arena, const json_t *array)
{
    StrList list = {0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        strlist_add(arena, &list, arena_strdup(arena, text == NULL ? "" : text));
    }
    return list;
}

/* False when they are in another order than they are looked up in. */
static bool read_tables(Arena *arena, const json_t *object, CopyFacts *facts)
{
    const char *name, *last = NULL;
    json_t *bytes;
    facts->bytes = ARENA_ARRAY(arena, uint64_t, json_object_size(object) + 1);
    json_object_foreach((json_t *)object, name, bytes)
    {
        if (last != NULL && strcmp(last, name) >= 0)
            return false;
        facts->bytes[facts->tables.count] = (uint64_t)json_integer_value(bytes);
        strlist_add(arena, &facts->tables, arena_strdup(arena, name));
        last = name;
    }
    return true;
}

static ErrCode read_source(Arena *arena, const json_t *json, CopySource *source, Error *err)
{
    CopyFacts *facts = &source->facts;
    int64_t length = answer_int(json, "dump_bytes");
    facts->database = arena_strdup(arena, answer_text(json, "database"));
    facts->size_bytes = (uint64_t)answer_int(json, "size_bytes");
    facts->server_version = (uint32_t)answer_int(json, "server_version");
    facts->search_path = arena_strdup(arena, answer_text(json, "search_path"));
    facts->time_zone = arena_strdup(arena, answer_text(json, "time_zone"));
    facts->rows = texts(arena, json_object_get(json, "rows"));
    facts->roles = texts(arena, json_object_get(json, "roles"));
    if (!read_tables(arena, json_object_get(json, "tables"), facts) || length <= 0 ||
        length > LIMIT_SOURCE_DUMP_BYTES)
        return err_set(err, ERR_PROTOCOL, "the agent's answer is no shard's source");
    uint8_t *bytes;
    ErrCode code = packed_text_read(arena, answer_text(json, "dump"), (size_t)length, &bytes, err);
    source->dump = bytes;
    source->dump_length = (size_t)length;
    return code;
}

static ErrCode ask(Client *client, const json_t *shard, ClientAnswer *answer, Error *err)
{
    Pgtide__V1__ReadSource message = PGTIDE__V1__READ_SOURCE__INIT;
    RequestMessage request = PGTIDE__V1__REQUEST__INIT;
    message.cluster = proto_from_text(answer_text(shard, "cluster"));
    message.database = proto_from_text(answer_text(shard, "database"));
    message.schema = proto_from_text(answer_text(shard, "schema"));
    request.body_case = PGTIDE__V1__REQUEST__BODY_READ_SOURCE;
    request.read_source = &message;
    return client_request(client, &request, answer, err);
}

ErrCode copy_source_of_shard(CommandContext *context, const char *name, CopySource *ret_source,
                             Error *err)
{
    AUTO_CLIENT Client *client = NULL;
    Pgtide__V1__View message = PGTIDE__V1__VIEW__INIT;
    ClientAnswer answer;
    const json_t *result;
    CopySource source = {0};
    message.kind = PGTIDE__V1__VIEW_KIND__VIEW_KIND_SHARD;
    message.shard = proto_from_text(name);
    ErrCode code = client_open_for(context, SOURCE_TIMEOUT_MS, &client, err);
    if (code == ERR_OK)
        code = client_view(client, &message, &answer, err);
    if (code != ERR_OK)
        return code;
    json_t *shard = json_deep_copy(json_object_get(answer.result, "shard"));
    source.schema = arena_strdup(context->arena, answer_text(shard, "schema"));
    code = ask(client, shard, &answer, err);
    if (code == ERR_OK)
        code = answer_of_agent(&answer, &result, err);
    if (code == ERR_OK)
        code = read_source(context->arena, result, &source, err);
    json_decref(shard);
    if (code == ERR_OK)
        *ret_source = source;
    return code == ERR_OK ? code : err_wrap(err, "%.200s", name);
}
