#include "backup_command.h"

#include "backup_tools.h"
#include "digest.h"
#include "named_limits.h"

#include <jansson.h>
#include <string.h>

void command_tail_add(CommandTail *tail, const char *bytes, size_t length)
{
    size_t room = sizeof tail->bytes - 1;
    if (length > room) {
        bytes += length - room;
        length = room;
    }
    size_t drop = tail->length + length > room ? tail->length + length - room : 0;
    memmove(tail->bytes, tail->bytes + drop, tail->length - drop);
    tail->length -= drop;
    memcpy(tail->bytes + tail->length, bytes, length);
    tail->length += length;
    tail->bytes[tail->length] = '\0';
}

const char **command_environment(Arena *arena, const ClusterSettings *cluster,
                                 const Manifest *manifest)
{
    enum { OURS = 12 };
    const char **env = tool_environment(arena, cluster, manifest->database, OURS);
    char shard[UUID_TEXT_SIZE], rollout[UUID_TEXT_SIZE], operation[OPERATION_TEXT_SIZE];
    uuid_format(&manifest->shard, shard);
    uuid_format(&manifest->rollout, rollout);
    operation_format(&manifest->operation, operation);
    tool_environment_add(arena, env, "PGTIDE_SHARD", shard);
    tool_environment_add(arena, env, "PGTIDE_CLUSTER", manifest->cluster);
    tool_environment_add(arena, env, "PGTIDE_DATABASE", manifest->database);
    tool_environment_add(arena, env, "PGTIDE_SCHEMA", manifest->schema);
    tool_environment_add(arena, env, "PGTIDE_ROLLOUT", rollout);
    tool_environment_add(arena, env, "PGTIDE_OPERATION", operation);
    tool_environment_add(arena, env, "PGTIDE_ROWS", strlist_join(arena, &manifest->rows, " "));
    tool_environment_add(
        arena, env, "PGTIDE_SYSTEM_IDENTIFIER",
        arena_printf(arena, "%llu", (unsigned long long)manifest->facts.system_identifier));
    tool_environment_add(arena, env, "PGTIDE_DATABASE_OID",
                         arena_printf(arena, "%u", manifest->facts.database_oid));
    tool_environment_add(arena, env, "PGTIDE_SERVER_VERSION",
                         arena_printf(arena, "%u", manifest->facts.server_version));
    if (manifest->id != NULL && manifest->id[0] != '\0')
        tool_environment_add(arena, env, "PGTIDE_BACKUP_ID", manifest->id);
    return env;
}

static bool is_id(const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] == 0x7f)
            return false;
    return length > 0 && length <= LIMIT_BACKUP_ID_BYTES;
}

ErrCode command_answer(Arena *arena, const CommandTail *tail, Manifest *manifest, Error *err)
{
    char *text = arena_strndup(arena, tail->bytes, tail->length);
    size_t end = strlen(text);
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r' || text[end - 1] == ' '))
        text[--end] = '\0';
    const char *newline = strrchr(text, '\n');
    const char *line = newline == NULL ? text : newline + 1;
    json_t *answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *id = json_string_value(json_object_get(answer, "id"));
    const json_t *size = json_object_get(answer, "size_bytes");
    bool fine = id != NULL && is_id(id) &&
                (size == NULL || (json_is_integer(size) && json_integer_value(size) >= 0));
    if (fine) {
        manifest->id = arena_strdup(arena, id);
        manifest->size_bytes = (uint64_t)json_integer_value(size);
        manifest->sha256 = sha256_bytes(id, strlen(id));
    }
    json_decref(answer);
    if (fine)
        return ERR_OK;
    err_set(err, ERR_BACKUP, "the backup command's last line does not name the backup");
    err_detail(err, "%.200s", line);
    err_hint(err, "It is to be an object such as {\"id\": \"20261130-1\", \"size_bytes\": 1234}.");
    return ERR_BACKUP;
}
