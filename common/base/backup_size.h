/*
 * How much room a dump of a database will take, before it is made.
 */
#pragma once

#include <stdint.h>

/* What a former dump of the same database took; all 0 when there is none. */
typedef struct BackupMeasure {
    uint64_t database_bytes; /* pg_database_size then */
    uint64_t size_bytes;
    uint32_t compress;
} BackupMeasure;

/* By the measure, with a quarter for what has changed since, when it was compressed alike. Else by
 * what data that compresses badly was measured to take (0.78 of the database without compression,
 * 0.50 with), rounded up. An estimate, not a bound: compressed values are dumped as they read. */
uint64_t backup_size_estimate(uint64_t database_bytes, uint32_t compress,
                              const BackupMeasure *former);
