/*
 * Protobuf bytes to protobuf-c structs, with the checks that protobuf-c leaves out.
 *
 * Before anything is unpacked the bytes are walked against the message's descriptor: depth, wire
 * types, texts that are UTF-8 without NUL, a singular field at most once, at most one member of a
 * oneof, numbers that fit their field. The unpacked message lives in the arena, and the memory it
 * may take is bounded by the size of its bytes. For codecs only: other modules use their structs.
 */
#pragma once

#include "arena.h"
#include "message.h"

#include <protobuf-c/protobuf-c.h>

typedef enum UnknownFields { UNKNOWN_FIELDS_REFUSE, UNKNOWN_FIELDS_PASS } UnknownFields;

ErrCode proto_unpack(Arena *arena, const ProtobufCMessageDescriptor *descriptor, const void *bytes,
                     size_t length, UnknownFields unknown, ProtobufCMessage **ret_message,
                     Error *err) MUST_CHECK;
/* Bytes live in `arena`. */
uint8_t *proto_pack(Arena *arena, const ProtobufCMessage *message, size_t *ret_length);

/* `what` names the field in the error. Texts stay where the unpacked message has them. */
ErrCode proto_uuid(const ProtobufCBinaryData *field, const char *what, Uuid *out,
                   Error *err) MUST_CHECK;
/* Empty gives the nil UUID. */
ErrCode proto_uuid_or_nil(const ProtobufCBinaryData *field, const char *what, Uuid *out,
                          Error *err) MUST_CHECK;
ErrCode proto_digest(const ProtobufCBinaryData *field, const char *what, Digest *out,
                     Error *err) MUST_CHECK;
ErrCode proto_name(const char *field, const char *what, const char **out, Error *err) MUST_CHECK;
/* At most LIMIT_TEXT_BYTES. */
ErrCode proto_text(const char *field, const char *what, const char **out, Error *err) MUST_CHECK;
/* A PostgreSQL identifier: 1 to 63 bytes; `or_empty` allows ''. */
ErrCode proto_identifier(const char *field, const char *what, bool or_empty, const char **out,
                         Error *err) MUST_CHECK;
/* Revision ids; `sorted`: strictly rising bytewise, so none twice. */
ErrCode proto_revisions(Arena *arena, char *const *items, size_t count, size_t limit, bool sorted,
                        const char *what, StrList *out, Error *err) MUST_CHECK;
/* Version rows as a server holds them, whoever wrote them: 1 to 255 bytes each. Sorted here. */
ErrCode proto_rows(Arena *arena, char *const *items, size_t count, StrList *out,
                   Error *err) MUST_CHECK;
ErrCode proto_count(size_t count, size_t limit, const char *what, Error *err) MUST_CHECK;
/* 1 to end - 1. */
ErrCode proto_enum(int value, int end, const char *what, Error *err) MUST_CHECK;

static inline ProtobufCBinaryData proto_bytes(const void *bytes, size_t length)
{
    return (ProtobufCBinaryData){.len = length, .data = (uint8_t *)(uintptr_t)bytes};
}
/* Nil gives an empty field. */
ProtobufCBinaryData proto_from_uuid(const Uuid *uuid);
ProtobufCBinaryData proto_from_digest(const Digest *digest);
/* protobuf-c's structs are not const; NULL gives ''. */
char *proto_from_text(const char *text);
