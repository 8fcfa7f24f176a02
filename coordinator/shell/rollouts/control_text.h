/*
 * The lines that go over a coordinator's control socket: a question and an answer, JSON objects.
 */
#pragma once

#include "state_backup.h"
#include "str.h"

#define CONTROL_SOCKET "control" /* in the state directory */

/* Make a backup. */
typedef struct ControlQuestion {
    const char *directory; /* absolute */
    bool with_key;
} ControlQuestion;

/* Both end with a newline. */
void control_question_write(Str *out, const ControlQuestion *question);
void control_answer_write(Str *out, const StateBackup *backup, const Error *err);

ErrCode control_question_read(Arena *arena, const char *line, size_t length,
                              ControlQuestion *ret_question, Error *err) MUST_CHECK;
/* An answer that tells of an error is that error. */
ErrCode control_answer_read(const char *line, size_t length, StateBackup *ret_backup,
                            Error *err) MUST_CHECK;
