/*
 * Bytes of commands and reports: protobuf <-> the structs of message.h.
 *
 * Decoders check as plan_codec.h's do, but pass over fields they do not know, so that an agent and
 * a coordinator of neighbouring versions understand each other; an unknown body is ERR_PROTOCOL.
 * All results live in `arena`; nothing of the input is borrowed.
 */
#pragma once

#include "message.h"

ErrCode command_encode(Arena *arena, const Command *command, uint8_t **ret_bytes,
                       size_t *ret_length, Error *err) MUST_CHECK;
ErrCode command_decode(Arena *arena, const void *bytes, size_t length, Command *out,
                       Error *err) MUST_CHECK;

ErrCode report_encode(Arena *arena, const Report *report, uint8_t **ret_bytes, size_t *ret_length,
                      Error *err) MUST_CHECK;
ErrCode report_decode(Arena *arena, const void *bytes, size_t length, Report *out,
                      Error *err) MUST_CHECK;
