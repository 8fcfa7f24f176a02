/*
 * BackupInfo as it stands in reports, in the coordinator's records and in the agent's ledger; the
 * listing of an agent's backups, and what it is asked to do with them.
 */
#pragma once

#include "message.h"

#include "command.pb-c.h"
#include "report.pb-c.h"

ErrCode backup_decode(const Pgtide__V1__BackupInfo *in, BackupInfo *out, Error *err) MUST_CHECK;
Pgtide__V1__BackupInfo *backup_encode(Arena *arena, const BackupInfo *backup);

ErrCode backup_listing_decode(Arena *arena, const Pgtide__V1__BackupListing *in, BackupListing *out,
                              Error *err) MUST_CHECK;
Pgtide__V1__BackupListing *backup_listing_encode(Arena *arena, const BackupListing *listing);

ErrCode backup_work_decode(Arena *arena, const Pgtide__V1__BackupWork *in, BackupWork *out,
                           Error *err) MUST_CHECK;
Pgtide__V1__BackupWork *backup_work_encode(Arena *arena, const BackupWork *work);
