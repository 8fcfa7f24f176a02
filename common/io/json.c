#include "json.h"

#include "clock.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { JSON_DEPTH_MAX = 62 };

JsonWriter json_writer(Str *out)
{
    return (JsonWriter){.out = out};
}

static bool in_object(const JsonWriter *json)
{
    return json->depth > 0 && (json->objects >> json->depth & 1) != 0;
}

/* Before each value: its comma in an array; in an object the key has put it. */
static void value_begin(JsonWriter *json)
{
    assert(in_object(json) == json->has_key);
    if (!json->has_key && json->comma)
        str_append_char(json->out, ',');
    json->has_key = false;
    json->comma = true;
}

static void level_begin(JsonWriter *json, bool object)
{
    value_begin(json);
    assert(json->depth < JSON_DEPTH_MAX);
    json->depth++;
    uint64_t bit = UINT64_C(1) << json->depth;
    json->objects = object ? json->objects | bit : json->objects & ~bit;
    json->comma = false;
    str_append_char(json->out, object ? '{' : '[');
}

static void level_end(JsonWriter *json, bool object)
{
    assert(json->depth > 0 && in_object(json) == object && !json->has_key);
    json->depth--;
    json->comma = true;
    str_append_char(json->out, object ? '}' : ']');
}

void json_object_begin(JsonWriter *json)
{
    level_begin(json, true);
}

void json_object_end(JsonWriter *json)
{
    level_end(json, true);
}

void json_array_begin(JsonWriter *json)
{
    level_begin(json, false);
}

void json_array_end(JsonWriter *json)
{
    level_end(json, false);
}

/* Length of the well-formed UTF-8 sequence at `p`, 0 when there is none; also its code point. */
static size_t utf8_take(const unsigned char *p, size_t left, uint32_t *ret_point)
{
    if (p[0] < 0x80) {
        *ret_point = p[0];
        return 1;
    }
    size_t need = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (left < need || !str_is_utf8((const char *)p, need))
        return 0;
    uint32_t point = p[0] & (0xFFu >> (need + 1));
    for (size_t i = 1; i < need; i++)
        point = point << 6 | (p[i] & 0x3Fu);
    *ret_point = point;
    return need;
}

static void append_escaped(Str *out, const unsigned char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        uint32_t point = 0;
        size_t taken = utf8_take(bytes + at, length - at, &point);
        if (taken == 0) {
            str_append(out, "\xEF\xBF\xBD");
            at++;
            continue;
        }
        if (point == '"' || point == '\\')
            str_printf(out, "\\%c", (char)point);
        else if (point == '\n')
            str_append(out, "\\n");
        else if (point == '\t')
            str_append(out, "\\t");
        else if (point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 ||
                 point == 0x2029)
            str_printf(out, "\\u%04x", (unsigned)point);
        else
            str_append_bytes(out, bytes + at, taken);
        at += taken;
    }
}

static void append_text(Str *out, const void *bytes, size_t length)
{
    str_append_char(out, '"');
    append_escaped(out, bytes, length);
    str_append_char(out, '"');
}

void json_key(JsonWriter *json, const char *key)
{
    assert(in_object(json) && !json->has_key);
    if (json->comma)
        str_append_char(json->out, ',');
    append_text(json->out, key, strlen(key));
    str_append_char(json->out, ':');
    json->has_key = true;
}

void json_text_bytes(JsonWriter *json, const void *bytes, size_t length)
{
    value_begin(json);
    append_text(json->out, bytes, length);
}

void json_text(JsonWriter *json, const char *text)
{
    if (text == NULL)
        json_none(json);
    else
        json_text_bytes(json, text, strlen(text));
}

void json_int(JsonWriter *json, int64_t number)
{
    value_begin(json);
    str_printf(json->out, "%" PRId64, number);
}

void json_uint(JsonWriter *json, uint64_t number)
{
    value_begin(json);
    str_printf(json->out, "%" PRIu64, number);
}

void json_bool(JsonWriter *json, bool value)
{
    value_begin(json);
    str_append(json->out, value ? "true" : "false");
}

void json_none(JsonWriter *json)
{
    value_begin(json);
    str_append(json->out, "null");
}

void json_time(JsonWriter *json, uint64_t unix_ms)
{
    if (unix_ms == 0) {
        json_none(json);
        return;
    }
    char text[TIME_TEXT_SIZE];
    time_format_rfc3339(unix_ms, text);
    json_text(json, text);
}

void json_strings(JsonWriter *json, const StrList *list)
{
    json_array_begin(json);
    for (size_t i = 0; i < list->count; i++)
        json_text(json, list->items[i]);
    json_array_end(json);
}

void json_raw(JsonWriter *json, const char *text, size_t length)
{
    value_begin(json);
    str_append_bytes(json->out, text, length);
}

void json_field_string(JsonWriter *json, const char *key, const char *text)
{
    json_key(json, key);
    json_text(json, text);
}

void json_field_int(JsonWriter *json, const char *key, int64_t number)
{
    json_key(json, key);
    json_int(json, number);
}

void json_field_uint(JsonWriter *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_uint(json, number);
}

void json_field_bool(JsonWriter *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

void json_field_null(JsonWriter *json, const char *key)
{
    json_key(json, key);
    json_none(json);
}

void json_field_uuid(JsonWriter *json, const char *key, const Uuid *uuid)
{
    char text[UUID_TEXT_SIZE];
    uuid_format(uuid, text);
    json_field_string(json, key, uuid_is_nil(uuid) ? NULL : text);
}

void json_field_digest(JsonWriter *json, const char *key, const Digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_format(digest, text);
    json_field_string(json, key, digest_is_zero(digest) ? NULL : text);
}

void json_field_time(JsonWriter *json, const char *key, uint64_t unix_ms)
{
    json_key(json, key);
    json_time(json, unix_ms);
}

void json_field_strings(JsonWriter *json, const char *key, const StrList *list)
{
    json_key(json, key);
    json_strings(json, list);
}

void json_field_object(JsonWriter *json, const char *key)
{
    json_key(json, key);
    json_object_begin(json);
}

void json_field_array(JsonWriter *json, const char *key)
{
    json_key(json, key);
    json_array_begin(json);
}
