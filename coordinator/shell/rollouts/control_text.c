#include "control_text.h"

#include "clock.h"
#include "json.h"

#include <jansson.h>
#include <string.h>

void control_question_write(Str *out, const ControlQuestion *question)
{
    JsonWriter json = json_writer(out);
    json_object_begin(&json);
    json_field_string(&json, "backup", question->directory);
    json_field_bool(&json, "with_key", question->with_key);
    json_object_end(&json);
    str_append_char(out, '\n');
}

ErrCode control_question_read(Arena *arena, const char *line, size_t length,
                              ControlQuestion *ret_question, Error *err)
{
    json_t *question = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *with_key = json_object_get(question, "with_key");
    const char *directory = json_string_value(json_object_get(question, "backup"));
    bool fine = json_object_size(question) == 2 && directory != NULL && directory[0] == '/' &&
                json_is_boolean(with_key);
    if (fine)
        *ret_question = (ControlQuestion){arena_strdup(arena, directory), json_is_true(with_key)};
    json_decref(question);
    return fine ? ERR_OK : err_set(err, ERR_USAGE, "not a question that this version knows");
}

void control_answer_write(Str *out, const StateBackup *backup, const Error *err)
{
    JsonWriter json = json_writer(out);
    char fleet[UUID_TEXT_SIZE];
    json_object_begin(&json);
    if (err != NULL) {
        json_field_string(&json, "code", err_code_name(err->code));
        json_field_string(&json, "message", err->message);
        json_field_string(&json, "detail", err->detail);
        json_field_string(&json, "hint", err->hint);
    } else {
        uuid_format(&backup->fleet_id, fleet);
        json_field_string(&json, "fleet", fleet);
        json_field_uint(&json, "records", backup->head.seq);
        json_field_uint(&json, "epoch", backup->head.epoch);
        json_field_time(&json, "made", backup->made_unix_ms);
        json_field_uint(&json, "blobs", backup->blob_count);
        json_field_uint(&json, "size_bytes", backup->size_bytes);
        json_field_bool(&json, "has_key", backup->has_key);
    }
    json_object_end(&json);
    str_append_char(out, '\n');
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : text;
}

static uint64_t number_of(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static ErrCode told_error(const json_t *answer, Error *err)
{
    ErrCode code = err_code_from_name(text_of(answer, "code"));
    err_set(err, code, "%s", text_of(answer, "message"));
    err_detail(err, "%s", text_of(answer, "detail"));
    err_hint(err, "%s", text_of(answer, "hint"));
    return code;
}

ErrCode control_answer_read(const char *line, size_t length, StateBackup *ret_backup, Error *err)
{
    json_t *answer = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    StateBackup backup = {0};
    ErrCode code = ERR_OK;
    if (json_object_get(answer, "code") != NULL)
        code = told_error(answer, err);
    else if (!uuid_parse(text_of(answer, "fleet"), &backup.fleet_id) ||
             !time_parse_rfc3339(text_of(answer, "made"), &backup.made_unix_ms))
        code = err_set(err, ERR_CONNECT, "the coordinator ended without an answer");
    backup.head.seq = number_of(answer, "records");
    backup.head.epoch = number_of(answer, "epoch");
    backup.blob_count = number_of(answer, "blobs");
    backup.size_bytes = number_of(answer, "size_bytes");
    backup.has_key = json_is_true(json_object_get(answer, "has_key"));
    json_decref(answer);
    if (code == ERR_OK)
        *ret_backup = backup;
    return code;
}
