/*
 * A cluster's password from a program that an operator has configured: run when a password is
 * wanted and none is known, kept in memory until it expires or a server refuses it. That is how a
 * password is changed under a running agent.
 */
#pragma once

#include "pg.h"

/* Lives in `arena`, borrows the texts; runs nothing yet. `cluster` is for the log. */
PgPasswords *password_command_new(Arena *arena, const char *cluster, const StrList *argv);

/* What such a program prints: the password on a line by itself, or as JSON {"password": TEXT,
 * "expires": TIME or seconds from now}. `ret_password` has room for LIMIT_PASSWORD_BYTES + 1;
 * `ret_lasts_ms` 0: until it is refused. ERR_CONFIG never shows what was printed. */
ErrCode password_answer(const char *output, size_t length, uint64_t now_unix_ms, char *ret_password,
                        uint64_t *ret_lasts_ms, Error *err) MUST_CHECK;
