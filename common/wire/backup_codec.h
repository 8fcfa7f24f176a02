/*
 * BackupInfo as it stands in reports, in the coordinator's records and in the agent's ledger.
 */
#pragma once

#include "message.h"

#include "report.pb-c.h"

ErrCode backup_decode(const Pgtide__V1__BackupInfo *in, BackupInfo *out, Error *err) MUST_CHECK;
Pgtide__V1__BackupInfo *backup_encode(Arena *arena, const BackupInfo *backup);
