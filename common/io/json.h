/*
 * Writes JSON into a Str.
 *
 * The writer puts commas and checks (assert) that objects, arrays and keys are well nested; depth
 * is at most 62. Texts are escaped; invalid UTF-8 is replaced by U+FFFD, so the output is always
 * valid. C1 controls, DEL and U+2028/2029 are escaped too: the output is safe on terminals and in
 * scripts. Reading JSON is jansson's, whose json_string and json_null are why these are json_text
 * and json_none.
 */
#pragma once

#include "ids.h"
#include "str.h"

typedef struct JsonWriter {
    Str *out;         /* borrows */
    uint64_t objects; /* bit per open level: an object, not an array */
    unsigned depth;
    bool comma;   /* something precedes on this level */
    bool has_key; /* a key waits for its value */
} JsonWriter;

JsonWriter json_writer(Str *out); /* appends to `out` */

void json_object_begin(JsonWriter *json);
void json_object_end(JsonWriter *json);
void json_array_begin(JsonWriter *json);
void json_array_end(JsonWriter *json);
void json_key(JsonWriter *json, const char *key);

void json_text(JsonWriter *json, const char *text); /* NULL gives null */
void json_text_bytes(JsonWriter *json, const void *bytes, size_t length);
void json_int(JsonWriter *json, int64_t number);
void json_uint(JsonWriter *json, uint64_t number);
void json_bool(JsonWriter *json, bool value);
void json_none(JsonWriter *json);
void json_time(JsonWriter *json, uint64_t unix_ms); /* RFC 3339 UTC; 0 gives null */
void json_strings(JsonWriter *json, const StrList *list);
void json_raw(JsonWriter *json, const char *text, size_t length); /* one value, already JSON */

/* key and value in one call */
void json_field_string(JsonWriter *json, const char *key, const char *text);
void json_field_int(JsonWriter *json, const char *key, int64_t number);
void json_field_uint(JsonWriter *json, const char *key, uint64_t number);
void json_field_bool(JsonWriter *json, const char *key, bool value);
void json_field_null(JsonWriter *json, const char *key);
void json_field_uuid(JsonWriter *json, const char *key, const Uuid *uuid); /* nil gives null */
void json_field_digest(JsonWriter *json, const char *key, const Digest *digest); /* the same */
void json_field_time(JsonWriter *json, const char *key, uint64_t unix_ms);
void json_field_strings(JsonWriter *json, const char *key, const StrList *list);
void json_field_object(JsonWriter *json, const char *key); /* key and `{` */
void json_field_array(JsonWriter *json, const char *key);  /* key and `[` */
