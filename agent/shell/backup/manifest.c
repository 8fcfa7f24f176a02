#include "manifest.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "json.h"
#include "named_limits.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MANIFEST_FORM = 2 }; /* rises when a reader of the former one would be misled */

const char *backup_file_path(Arena *arena, const char *directory, const Uuid *shard,
                             const OperationId *operation, const char *ending)
{
    char uuid[UUID_TEXT_SIZE], id[OPERATION_TEXT_SIZE];
    uuid_format(shard, uuid);
    operation_format(operation, id);
    return path_join(arena, directory, arena_printf(arena, "%s/%s%s", uuid, id, ending));
}

Digest manifest_files_digest(const ManifestFile *files, size_t count)
{
    Sha256 hash;
    sha256_init(&hash);
    for (size_t i = 0; i < count; i++) {
        char hex[DIGEST_HEX_SIZE];
        digest_hex(&files[i].sha256, hex);
        sha256_update(&hash, hex, DIGEST_HEX_SIZE - 1);
        sha256_update(&hash, "  ", 2);
        sha256_update(&hash, files[i].name, strlen(files[i].name));
        sha256_update(&hash, "\n", 1);
    }
    return sha256_final(&hash);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Always a text: a reader wants one. */
static void write_uuid(JsonWriter *json, const char *key, const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(uuid, text);
    json_field_string(json, key, text);
}

static void write_text(JsonWriter *json, const char *key, const char *text)
{
    json_field_string(json, key, text == NULL || text[0] == '\0' ? NULL : text);
}

/* Numbers of 64 bits are texts: not every reader of JSON has them. */
static void write_facts(JsonWriter *json, const DatabaseFacts *facts)
{
    AUTO_STR Str identifier = {0};
    str_printf(&identifier, "%llu", (unsigned long long)facts->system_identifier);
    json_field_string(json, "system_identifier", str_text(&identifier));
    json_field_uint(json, "database_oid", facts->database_oid);
    json_field_uint(json, "database_bytes", facts->size_bytes);
    json_field_uint(json, "server_version", facts->server_version);
    write_text(json, "owner", facts->owner);
    write_text(json, "schema_owner", facts->schema_owner);
    write_text(json, "encoding", facts->encoding);
    write_text(json, "locale_provider", facts->locale_provider);
    write_text(json, "collate", facts->collate);
    write_text(json, "ctype", facts->ctype);
    write_text(json, "locale", facts->locale);
    write_text(json, "icu_rules", facts->icu_rules);
    write_text(json, "tablespace", facts->tablespace);
    json_field_uint(json, "transaction_horizon", facts->transaction_horizon);
}

static void write_files(JsonWriter *json, const Manifest *manifest)
{
    json_field_array(json, "files");
    for (size_t i = 0; i < manifest->file_count; i++) {
        json_object_begin(json);
        json_field_string(json, "name", manifest->files[i].name);
        json_field_digest(json, "sha256", &manifest->files[i].sha256);
        json_field_uint(json, "size_bytes", manifest->files[i].size_bytes);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_manifest(JsonWriter *json, const Manifest *manifest)
{
    char operation[OPERATION_TEXT_SIZE];
    operation_format(&manifest->operation, operation);
    json_object_begin(json);
    json_field_int(json, "pgtide", MANIFEST_FORM);
    json_field_string(json, "method", backup_method_name(manifest->method));
    write_text(json, "command", manifest->command);
    write_text(json, "id", manifest->id);
    write_uuid(json, "shard", &manifest->shard);
    json_field_string(json, "cluster", manifest->cluster);
    json_field_string(json, "database", manifest->database);
    json_field_string(json, "schema", manifest->schema);
    write_uuid(json, "rollout", &manifest->rollout);
    json_field_digest(json, "plan", &manifest->plan);
    json_field_string(json, "operation", operation);
    json_field_strings(json, "rows", &manifest->rows);
    write_text(json, "file", manifest->file);
    json_field_digest(json, "sha256", &manifest->sha256);
    json_field_uint(json, "size_bytes", manifest->size_bytes);
    write_facts(json, &manifest->facts);
    json_field_uint(json, "pg_dump_version", manifest->pg_dump_version);
    json_field_uint(json, "compress", manifest->compress);
    json_field_bool(json, "encrypted", manifest->encrypted);
    json_field_strings(json, "recipients", &manifest->recipients);
    json_field_digest(json, "plaintext_sha256", &manifest->plaintext_sha256);
    json_field_time(json, "started", manifest->started_unix_ms);
    json_field_time(json, "finished", manifest->finished_unix_ms);
    json_field_time(json, "verified", manifest->verified_unix_ms);
    json_field_time(json, "checked", manifest->checked_unix_ms);
    write_text(json, "damage", manifest->damage);
    json_field_uint(json, "restore_test_ms", manifest->restore_tested_ms);
    json_field_time(json, "needed_until", manifest->needed_until_unix_ms);
    write_files(json, manifest);
    json_object_end(json);
}

ErrCode manifest_write(const char *directory, const Manifest *manifest, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    write_manifest(&json, manifest);
    str_append_char(&text, '\n');
    const char *path =
        backup_file_path(arena, directory, &manifest->shard, &manifest->operation, ".manifest");
    return file_write_atomic(path, text.data, text.length, 0600, err);
}

/* --- reading ---------------------------------------------------------------------------------- */

/* A manifest being read: what is wrong is remembered and told once. */
typedef struct Reader {
    Arena *arena;
    const char *path;
    const char *wrong; /* the first key that is not as it should be */
} Reader;

static void note_wrong(Reader *reader, const char *key)
{
    if (reader->wrong == NULL)
        reader->wrong = key;
}

static const char *read_text(Reader *reader, const json_t *object, const char *key, bool required)
{
    const json_t *value = json_object_get(object, key);
    if (json_is_string(value))
        return arena_strdup(reader->arena, json_string_value(value));
    if (required || (value != NULL && !json_is_null(value)))
        note_wrong(reader, key);
    return "";
}

static uint64_t read_uint(Reader *reader, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        note_wrong(reader, key);
        return 0;
    }
    return (uint64_t)json_integer_value(value);
}

static uint32_t read_uint32(Reader *reader, const json_t *object, const char *key)
{
    uint64_t value = read_uint(reader, object, key);
    if (value > UINT32_MAX)
        note_wrong(reader, key);
    return (uint32_t)value;
}

static uint64_t read_time(Reader *reader, const json_t *object, const char *key, bool required)
{
    uint64_t unix_ms = 0;
    const char *text = read_text(reader, object, key, required);
    if (text[0] != '\0' && !time_parse_rfc3339(text, &unix_ms))
        note_wrong(reader, key);
    return unix_ms;
}

static Digest read_digest(Reader *reader, const json_t *object, const char *key, bool required)
{
    Digest digest = {{0}};
    const char *text = read_text(reader, object, key, required);
    if (text[0] != '\0' && !digest_parse(text, &digest))
        note_wrong(reader, key);
    return digest;
}

static Uuid read_uuid(Reader *reader, const json_t *object, const char *key)
{
    Uuid uuid = {{0}};
    if (!uuid_parse(read_text(reader, object, key, true), &uuid))
        note_wrong(reader, key);
    return uuid;
}

static StrList read_texts(Reader *reader, const json_t *object, const char *key)
{
    StrList list = {0};
    const json_t *array = json_object_get(object, key);
    if (!json_is_array(array))
        note_wrong(reader, key);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL)
            note_wrong(reader, key);
        else
            strlist_add(reader->arena, &list, text);
    }
    return list;
}

/* A name beside the manifest, which can't lead out of its directory. */
static const char *read_name(Reader *reader, const json_t *object, const char *key, bool required)
{
    const char *name = read_text(reader, object, key, required);
    bool leads_out = name[0] == '/' || strcmp(name, "..") == 0 || str_starts_with(name, "../") ||
                     strstr(name, "/../") != NULL || str_ends_with(name, "/..");
    if (leads_out)
        note_wrong(reader, key);
    return leads_out ? "" : name;
}

static DatabaseFacts read_facts(Reader *reader, const json_t *root)
{
    const char *identifier = read_text(reader, root, "system_identifier", true);
    char *end;
    DatabaseFacts facts = {
        .system_identifier = strtoull(identifier, &end, 10),
        .database_oid = read_uint32(reader, root, "database_oid"),
        .server_version = read_uint32(reader, root, "server_version"),
        .size_bytes = read_uint(reader, root, "database_bytes"),
        .owner = read_text(reader, root, "owner", false),
        .schema_owner = read_text(reader, root, "schema_owner", false),
        .encoding = read_text(reader, root, "encoding", false),
        .locale_provider = read_text(reader, root, "locale_provider", false),
        .collate = read_text(reader, root, "collate", false),
        .ctype = read_text(reader, root, "ctype", false),
        .locale = read_text(reader, root, "locale", false),
        .icu_rules = read_text(reader, root, "icu_rules", false),
        .tablespace = read_text(reader, root, "tablespace", false),
        .transaction_horizon = json_object_get(root, "transaction_horizon") == NULL
                                   ? 0
                                   : read_uint(reader, root, "transaction_horizon"),
    };
    if (end == identifier || *end != '\0')
        note_wrong(reader, "system_identifier");
    return facts;
}

static void read_files(Reader *reader, const json_t *root, Manifest *manifest)
{
    const json_t *files = json_object_get(root, "files");
    size_t count = json_array_size(files);
    if (!json_is_array(files) || count > LIMIT_BACKUP_FILES) {
        note_wrong(reader, "files");
        return;
    }
    manifest->files = ARENA_ARRAY(reader->arena, ManifestFile, count + 1);
    manifest->file_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *file = json_array_get(files, i);
        manifest->files[i] = (ManifestFile){
            .name = read_name(reader, file, "name", true),
            .sha256 = read_digest(reader, file, "sha256", true),
            .size_bytes = read_uint(reader, file, "size_bytes"),
        };
    }
}

static void read_identity(Reader *reader, const json_t *root, Manifest *manifest)
{
    const char *operation = read_text(reader, root, "operation", true);
    if (json_integer_value(json_object_get(root, "pgtide")) != MANIFEST_FORM)
        note_wrong(reader, "pgtide");
    manifest->method = backup_method_from_name(read_text(reader, root, "method", true));
    if (manifest->method <= BACKUP_METHOD_NONE)
        note_wrong(reader, "method");
    if (!hex_decode(operation, manifest->operation.bytes, sizeof manifest->operation.bytes))
        note_wrong(reader, "operation");
    bool is_command = manifest->method == BACKUP_METHOD_COMMAND;
    manifest->command = read_text(reader, root, "command", is_command);
    manifest->id = read_text(reader, root, "id", is_command);
    manifest->file = read_name(reader, root, "file", !is_command);
}

static void read_manifest(Reader *reader, const json_t *root, Manifest *manifest)
{
    read_identity(reader, root, manifest);
    manifest->shard = read_uuid(reader, root, "shard");
    manifest->cluster = read_text(reader, root, "cluster", true);
    manifest->database = read_text(reader, root, "database", true);
    manifest->schema = read_text(reader, root, "schema", true);
    manifest->rollout = read_uuid(reader, root, "rollout");
    manifest->plan = read_digest(reader, root, "plan", false);
    manifest->rows = read_texts(reader, root, "rows");
    manifest->sha256 = read_digest(reader, root, "sha256", true);
    manifest->size_bytes = read_uint(reader, root, "size_bytes");
    manifest->facts = read_facts(reader, root);
    manifest->pg_dump_version = read_uint32(reader, root, "pg_dump_version");
    manifest->compress = read_uint32(reader, root, "compress");
    manifest->encrypted = json_is_true(json_object_get(root, "encrypted"));
    manifest->recipients = read_texts(reader, root, "recipients");
    manifest->plaintext_sha256 = read_digest(reader, root, "plaintext_sha256", false);
    manifest->started_unix_ms = read_time(reader, root, "started", true);
    manifest->finished_unix_ms = read_time(reader, root, "finished", true);
    manifest->verified_unix_ms = read_time(reader, root, "verified", false);
    manifest->checked_unix_ms = read_time(reader, root, "checked", false);
    manifest->damage = read_text(reader, root, "damage", false);
    manifest->restore_tested_ms = read_uint(reader, root, "restore_test_ms");
    manifest->needed_until_unix_ms = read_time(reader, root, "needed_until", false);
    read_files(reader, root, manifest);
}

ErrCode manifest_read(Arena *arena, const char *path, Manifest *ret_manifest, Error *err)
{
    uint8_t *bytes;
    size_t length;
    ErrCode code = file_read_all(arena, path, LIMIT_MANIFEST_BYTES, &bytes, &length, err);
    if (code != ERR_OK)
        return code;
    json_error_t problem;
    json_t *root = json_loadb((const char *)bytes, length, JSON_REJECT_DUPLICATES, &problem);
    Reader reader = {.arena = arena, .path = path};
    Manifest manifest = {0};
    if (json_is_object(root))
        read_manifest(&reader, root, &manifest);
    else
        reader.wrong = root == NULL ? problem.text : "it is no object";
    if (reader.wrong != NULL) {
        err_set(err, ERR_BACKUP, "the manifest of a backup can't be read");
        err_detail(err, "%s: %.200s", path, reader.wrong);
    } else {
        *ret_manifest = manifest;
    }
    code = reader.wrong != NULL ? ERR_BACKUP : ERR_OK;
    json_decref(root);
    return code;
}

ErrCode manifest_find(Arena *arena, const char *directory, const Uuid *shard,
                      const OperationId *operation, Manifest *ret_manifest, Error *err)
{
    return manifest_read(arena, backup_file_path(arena, directory, shard, operation, ".manifest"),
                         ret_manifest, err);
}

ErrCode manifest_read_beside(Arena *arena, const char *directory, const char *backup,
                             Manifest *ret_manifest, Error *err)
{
    const char *path = path_join(arena, directory, backup);
    const char *name = path_basename(path);
    size_t length = (size_t)(name - path) + strcspn(name, ".");
    return manifest_read(arena, arena_printf(arena, "%.*s.manifest", (int)length, path),
                         ret_manifest, err);
}
