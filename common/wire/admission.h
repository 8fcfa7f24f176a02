/*
 * Admissions: an operator with role admin says that an agent's key belongs to the fleet, or no
 * longer does. The newest serial for a name wins; that rule is the coordinator's.
 */
#pragma once

#include "trust.h"

typedef struct Admission {
    Uuid fleet_id;
    PublicKeyInfo agent; /* always with a CURVE half */
    uint64_t serial;     /* unix ms of signing */
    bool revoked;
    const char *reason;                 /* '' when none */
    char admitted_by[KEY_ID_TEXT_SIZE]; /* key id of the admin; not set by encode */
} Admission;

/* An Admission envelope signed by `key`. Bytes live in `arena`. */
ErrCode admission_sign(Arena *arena, const Admission *admission, const SecretKey *key,
                       uint8_t **ret_bytes, size_t *ret_length, Error *err) MUST_CHECK;
/* Verifies: signed by an admin of `trust`, for its fleet. */
ErrCode admission_open(Arena *arena, const Trust *trust, const void *bytes, size_t length,
                       Admission *ret_admission, Error *err) MUST_CHECK;
