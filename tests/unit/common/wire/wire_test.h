/*
 * What the wire tests share: cmocka, fixed keys, and a directory of one's own.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arena.h"
#include "key.h"

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        Error ok_error = {.code = ERR_OK};                                                         \
        Error *err = &ok_error;                                                                    \
        if ((call) != ERR_OK) {                                                                    \
            fail_msg("%s: %s: %s", #call, err_code_name(ok_error.code), ok_error.message);         \
        }                                                                                          \
    } while (0)

#define assert_code(expected, call)                                                                \
    do {                                                                                           \
        Error *err = NULL;                                                                         \
        ErrCode got = (call);                                                                      \
        if (got != (expected)) {                                                                   \
            fail_msg("%s: %s, expected %s", #call, err_code_name(got), err_code_name(expected));   \
        }                                                                                          \
    } while (0)

/* A key whose seed and CURVE secret are `number` in every byte. Returns owned. */
static inline SecretKey *fixed_key(const char *name, uint8_t number)
{
    uint8_t secret[KEY_BYTES];
    memset(secret, number, sizeof secret);
    SecretKey *key = NULL;
    assert_ok(key_from_secrets(name, secret, secret, &key, err));
    return key;
}

/* mkdtemp() in `out`. */
static inline void test_directory(char out[64])
{
    snprintf(out, 64, "/tmp/pgtide-test-XXXXXX");
    assert_non_null(mkdtemp(out));
}

static inline void remove_directory(const char *path)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}
