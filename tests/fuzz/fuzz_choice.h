/*
 * The first byte of an input of fuzz_envelope picks its reader; fuzz_seeds writes it.
 */
#pragma once

#include "envelope.h"

enum {
    CHOICE_COMMAND,
    CHOICE_REPORT,
    CHOICE_PLAN_HEADER,
    CHOICE_PLAN_SHARD,
    CHOICE_APPROVAL,
    CHOICE_PLAN_FILE,
    CHOICE_PLAN_DOSSIER,
    CHOICE_TRUST,
    /* Then the envelopes: CHOICE_TRUST + MessageType. */
    CHOICE_COUNT = CHOICE_TRUST + MESSAGE_TYPE_COUNT
};
