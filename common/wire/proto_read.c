#include "proto_read.h"

#include "named_limits.h"

#include <string.h>

enum {
    DEPTH_MAX = 8,
    FIELDS_PER_MESSAGE_MAX = 64, /* one bit each in `seen` */
    /* What unpacking may take: for each byte of input (a field of two bytes costs a scanned member
       and a pointer), and for any message. */
    MEMORY_PER_BYTE = 32,
    MEMORY_FLOOR = 64 * 1024,
};

typedef enum WireType {
    WIRE_VARINT = 0,
    WIRE_64BIT = 1,
    WIRE_LENGTH = 2,
    WIRE_32BIT = 5,
} WireType;

typedef struct Scan {
    const uint8_t *at;
    const uint8_t *end;
    UnknownFields unknown;
    Error *err;
} Scan;

static ErrCode malformed(Error *err, const ProtobufCMessageDescriptor *descriptor, const char *what)
{
    return err_set(err, ERR_PROTOCOL, "%s: %s", descriptor->short_name, what);
}

static bool scan_varint(Scan *scan, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && scan->at < scan->end; shift += 7) {
        uint8_t byte = *scan->at++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

/* Reads one value; for WIRE_LENGTH gives its extent, for WIRE_VARINT its value. */
static bool scan_value(Scan *scan, WireType wire, uint64_t *ret_value, const uint8_t **ret_bytes)
{
    size_t left;
    switch (wire) {
    case WIRE_VARINT:
        return scan_varint(scan, ret_value);
    case WIRE_LENGTH:
        if (!scan_varint(scan, ret_value) || *ret_value > (size_t)(scan->end - scan->at)) {
            return false;
        }
        break;
    case WIRE_64BIT:
        *ret_value = 8;
        break;
    case WIRE_32BIT:
        *ret_value = 4;
        break;
    default: /* groups are not proto3 */
        return false;
    }
    left = (size_t)(scan->end - scan->at);
    if (*ret_value > left) {
        return false;
    }
    *ret_bytes = scan->at;
    scan->at += *ret_value;
    return true;
}

static WireType wire_type_of(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return WIRE_LENGTH;
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
        return WIRE_32BIT;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return WIRE_64BIT;
    default:
        return WIRE_VARINT;
    }
}

static bool number_fits(const ProtobufCFieldDescriptor *field, uint64_t value)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return value <= 1;
    case PROTOBUF_C_TYPE_ENUM:
        return value <= INT32_MAX;
    case PROTOBUF_C_TYPE_UINT32:
        return value <= UINT32_MAX;
    default:
        return true;
    }
}

/* Marks a singular field, and with it every other member of its oneof; false when already marked.
 */
static bool mark_seen(const ProtobufCMessageDescriptor *descriptor,
                      const ProtobufCFieldDescriptor *field, uint64_t *seen)
{
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return true;
    }
    if ((*seen >> (field - descriptor->fields) & 1) != 0) {
        return false;
    }
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *other = &descriptor->fields[i];
        bool same_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
                          (other->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
                          other->quantifier_offset == field->quantifier_offset;
        if (other == field || same_oneof) {
            *seen |= UINT64_C(1) << i;
        }
    }
    return true;
}

static ErrCode scan_message(Scan *scan, const ProtobufCMessageDescriptor *descriptor, int depth);

static ErrCode scan_known(Scan *scan, const ProtobufCMessageDescriptor *descriptor,
                          const ProtobufCFieldDescriptor *field, uint64_t value,
                          const uint8_t *bytes, int depth)
{
    if (field->type == PROTOBUF_C_TYPE_STRING && !str_is_utf8((const char *)bytes, value)) {
        return err_set(scan->err, ERR_PROTOCOL, "%s.%s is not UTF-8 text without NUL",
                       descriptor->short_name, field->name);
    }
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        Scan inner = {bytes, bytes + value, scan->unknown, scan->err};
        return scan_message(&inner, field->descriptor, depth + 1);
    }
    if (wire_type_of(field) == WIRE_VARINT && !number_fits(field, value)) {
        return err_set(scan->err, ERR_PROTOCOL, "%s.%s is out of range", descriptor->short_name,
                       field->name);
    }
    return ERR_OK;
}

static ErrCode scan_field(Scan *scan, const ProtobufCMessageDescriptor *descriptor, uint64_t *seen,
                          int depth)
{
    uint64_t tag;
    uint64_t value;
    const uint8_t *bytes = NULL;
    if (!scan_varint(scan, &tag) || tag > UINT32_MAX || tag >> 3 == 0) {
        return malformed(scan->err, descriptor, "a malformed field tag");
    }
    WireType wire = (WireType)(tag & 7);
    if (!scan_value(scan, wire, &value, &bytes)) {
        return malformed(scan->err, descriptor, "a malformed or truncated field");
    }
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(descriptor, (unsigned)(tag >> 3));
    if (field == NULL) {
        if (scan->unknown == UNKNOWN_FIELDS_PASS) {
            return ERR_OK;
        }
        return err_set(scan->err, ERR_PROTOCOL, "%s has an unknown field %u",
                       descriptor->short_name, (unsigned)(tag >> 3));
    }
    if (wire != wire_type_of(field)) {
        return err_set(scan->err, ERR_PROTOCOL, "%s.%s has the wrong wire type",
                       descriptor->short_name, field->name);
    }
    if (!mark_seen(descriptor, field, seen)) {
        return err_set(scan->err, ERR_PROTOCOL, "%s.%s is there twice", descriptor->short_name,
                       field->name);
    }
    return scan_known(scan, descriptor, field, value, bytes, depth);
}

static ErrCode scan_message(Scan *scan, const ProtobufCMessageDescriptor *descriptor, int depth)
{
    if (depth > DEPTH_MAX || descriptor->n_fields > FIELDS_PER_MESSAGE_MAX) {
        return malformed(scan->err, descriptor, "nested too deeply");
    }
    uint64_t seen = 0;
    while (scan->at < scan->end) {
        ErrCode code = scan_field(scan, descriptor, &seen, depth);
        if (code != ERR_OK) {
            return code;
        }
    }
    return ERR_OK;
}

/* --- unpacking into an arena ------------------------------------------------------------------ */

typedef struct Quota {
    Arena *arena;
    size_t left;
} Quota;

static void *quota_alloc(void *context, size_t size)
{
    Quota *quota = context;
    if (size > quota->left) {
        return NULL;
    }
    quota->left -= size;
    return arena_alloc(quota->arena, size);
}

static void quota_free(void *context, void *pointer)
{
    (void)context; /* the arena is dropped whole */
    (void)pointer;
}

ErrCode proto_unpack(Arena *arena, const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                     size_t length, UnknownFields unknown, ProtobufCMessage **ret_message,
                     Error *err)
{
    if (length > LIMIT_PLAN_BYTES) {
        return err_set(err, ERR_LIMIT, "%s is larger than %d bytes", descriptor->short_name,
                       LIMIT_PLAN_BYTES);
    }
    static const uint8_t nothing[1];
    const uint8_t *start = length == 0 ? nothing : bytes;
    Scan scan = {start, start + length, unknown, err};
    ErrCode code = scan_message(&scan, descriptor, 1);
    if (code != ERR_OK) {
        return code;
    }
    Quota quota = {arena, length * MEMORY_PER_BYTE + MEMORY_FLOOR};
    ProtobufCAllocator allocator = {quota_alloc, quota_free, &quota};
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, length, start);
    if (message == NULL) {
        return malformed(err, descriptor, "can't be unpacked");
    }
    *ret_message = message;
    return ERR_OK;
}

uint8_t *proto_pack(Arena *arena, const ProtobufCMessage *message, size_t *ret_length)
{
    size_t length = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = arena_alloc(arena, length > 0 ? length : 1);
    *ret_length = protobuf_c_message_pack(message, bytes);
    return bytes;
}

/* --- checked fields --------------------------------------------------------------------------- */

static ErrCode fixed_bytes(const ProtobufCBinaryData *field, const char *what, void *out,
                           size_t length, Error *err)
{
    if (field->len != length) {
        return err_set(err, ERR_PROTOCOL, "%s has %zu bytes, not %zu", what, field->len, length);
    }
    memcpy(out, field->data, length);
    return ERR_OK;
}

ErrCode proto_uuid(const ProtobufCBinaryData *field, const char *what, Uuid *out, Error *err)
{
    Uuid uuid;
    ErrCode code = fixed_bytes(field, what, uuid.bytes, sizeof uuid.bytes, err);
    if (code != ERR_OK) {
        return code;
    }
    if (uuid_is_nil(&uuid)) {
        return err_set(err, ERR_PROTOCOL, "%s is nil", what);
    }
    *out = uuid;
    return ERR_OK;
}

ErrCode proto_uuid_or_nil(const ProtobufCBinaryData *field, const char *what, Uuid *out, Error *err)
{
    if (field->len == 0) {
        memset(out, 0, sizeof *out);
        return ERR_OK;
    }
    return proto_uuid(field, what, out, err);
}

ErrCode proto_digest(const ProtobufCBinaryData *field, const char *what, Digest *out, Error *err)
{
    return fixed_bytes(field, what, out->bytes, sizeof out->bytes, err);
}

ErrCode proto_name(const char *field, const char *what, const char **out, Error *err)
{
    if (!name_is_valid(field)) {
        return err_set(err, ERR_PROTOCOL, "%s is not a name ([a-z0-9][a-z0-9_-]{0,62})", what);
    }
    *out = field;
    return ERR_OK;
}

ErrCode proto_text(const char *field, const char *what, const char **out, Error *err)
{
    if (strlen(field) > LIMIT_TEXT_BYTES) {
        return err_set(err, ERR_LIMIT, "%s is longer than %d bytes", what, LIMIT_TEXT_BYTES);
    }
    *out = field;
    return ERR_OK;
}

ErrCode proto_identifier(const char *field, const char *what, bool or_empty, const char **out,
                         Error *err)
{
    size_t length = strlen(field);
    if (length > LIMIT_NAME_BYTES || (length == 0 && !or_empty)) {
        return err_set(err, ERR_PROTOCOL, "%s is empty or longer than %d bytes", what,
                       LIMIT_NAME_BYTES);
    }
    *out = field;
    return ERR_OK;
}

ErrCode proto_count(size_t count, size_t limit, const char *what, Error *err)
{
    if (count > limit) {
        return err_set(err, ERR_LIMIT, "%zu %s, at most %zu are allowed", count, what, limit);
    }
    return ERR_OK;
}

ErrCode proto_enum(int value, int end, const char *what, Error *err)
{
    if (value <= 0 || value >= end) {
        return err_set(err, ERR_PROTOCOL, "%s is unspecified or unknown (%d)", what, value);
    }
    return ERR_OK;
}

static StrList borrow_list(Arena *arena, char *const *items, size_t count)
{
    StrList list = {.items = ARENA_ARRAY(arena, const char *, count + 1),
                    .count = count,
                    .capacity = count + 1};
    for (size_t i = 0; i < count; i++) {
        list.items[i] = items[i];
    }
    return list;
}

ErrCode proto_revisions(Arena *arena, char *const *items, size_t count, size_t limit, bool sorted,
                        const char *what, StrList *out, Error *err)
{
    ErrCode code = proto_count(count, limit, what, err);
    if (code != ERR_OK) {
        return code;
    }
    for (size_t i = 0; i < count; i++) {
        if (!revision_id_is_valid(items[i])) {
            return err_set(err, ERR_PROTOCOL, "%s: not a revision id", what);
        }
        if (sorted && i > 0 && strcmp(items[i - 1], items[i]) >= 0) {
            return err_set(err, ERR_PROTOCOL, "%s are not sorted", what);
        }
    }
    *out = borrow_list(arena, items, count);
    return ERR_OK;
}

ErrCode proto_rows(Arena *arena, char *const *items, size_t count, StrList *out, Error *err)
{
    ErrCode code = proto_count(count, LIMIT_ROWS, "rows", err);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        size_t length = strlen(items[i]);
        if (length == 0 || length > LIMIT_REVISION_ID_BYTES) {
            code = err_set(err, ERR_PROTOCOL, "rows: empty or longer than %d bytes",
                           LIMIT_REVISION_ID_BYTES);
        }
    }
    if (code == ERR_OK) {
        *out = borrow_list(arena, items, count);
        strlist_sort(out);
    }
    return code;
}

ProtobufCBinaryData proto_from_uuid(const Uuid *uuid)
{
    return proto_bytes(uuid->bytes, uuid_is_nil(uuid) ? 0 : sizeof uuid->bytes);
}

ProtobufCBinaryData proto_from_digest(const Digest *digest)
{
    return proto_bytes(digest->bytes, sizeof digest->bytes);
}

char *proto_from_text(const char *text)
{
    return (char *)(uintptr_t)(text == NULL ? "" : text);
}
