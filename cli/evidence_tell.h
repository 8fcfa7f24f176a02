/*
 * What a genuine evidence file proves, for people and as JSON.
 */
#pragma once

#include "command.h"
#include "evidence_check.h"

void evidence_tell(CommandContext *context, const char *path, size_t length,
                   const EvidenceSummary *summary);
