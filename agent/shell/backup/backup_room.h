/*
 * Whether there is room for a dump, before anything runs.
 */
#pragma once

#include "backup.h"

/* Estimates what the dump that `manifest` describes will take (by the shard's last one of the kind,
 * where there is one) and claims it of the room, which may be NULL. ERR_BACKUP, with figures, when
 * the disk has less than that, the other claims and the reserve. */
ErrCode room_claim(BackupRoom *room, const char *directory, const Manifest *manifest,
                   uint64_t reserve_bytes, uint64_t *ret_claimed, Error *err) MUST_CHECK;
