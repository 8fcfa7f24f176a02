/*
 * What a backup is: a JSON file beside it, whose form docs/operations.md documents. A backup
 * without its manifest is none.
 *
 *   <directory>/<shard uuid>/<operation>.manifest
 */
#pragma once

#include "plan.h"

/* What a database is, beside its content: enough to make it anew. Texts '' when the server does not
 * know such a thing. */
typedef struct DatabaseFacts {
    uint64_t system_identifier;
    uint32_t database_oid;
    uint32_t server_version; /* as server_version_num */
    uint64_t size_bytes;     /* pg_database_size */
    const char *owner;
    const char *schema_owner; /* of the shard's schema; '' for a whole database */
    const char *encoding;
    const char *locale_provider; /* c, i, b: pg_database.datlocprovider */
    const char *collate;
    const char *ctype;
    const char *locale; /* of ICU or the builtin provider */
    const char *icu_rules;
    const char *tablespace;
    /* Transactions from this one on may not be in the backup; all before it are. 0 = not known. */
    uint64_t transaction_horizon;
} DatabaseFacts;

typedef struct ManifestFile {
    const char *name; /* below the manifest's directory */
    Digest sha256;
    uint64_t size_bytes;
} ManifestFile;

typedef struct Manifest {
    BackupMethod method;
    const char *command; /* method command: its name in agent.yaml, else '' */
    const char *id;      /* method command: what it calls this backup, else '' */
    Uuid shard;
    const char *cluster;
    const char *database;
    const char *schema; /* '' = the whole database */
    Uuid rollout;
    Digest plan;
    OperationId operation; /* the first step's */
    StrList rows;          /* version rows at that moment, sorted */
    const char *file;      /* beside the manifest: a file, or the directory of `files`; '' = the
                              command keeps it */
    /* Of the file; of a directory over the lines "<hex of a file>  <name>\n" in order of name; of a
     * command's over its id. */
    Digest sha256;
    uint64_t size_bytes; /* of all files; a command's word */
    ManifestFile *files; /* sorted by name; none of a command */
    size_t file_count;
    DatabaseFacts facts;
    uint32_t pg_dump_version;
    uint32_t compress;
    bool encrypted;
    StrList recipients;            /* sha256:<hex> of each age recipient's text */
    Digest plaintext_sha256;       /* of what was encrypted; zero when it was not */
    uint64_t started_unix_ms;      /* it shows the database as of a moment after this */
    uint64_t finished_unix_ms;     /* and is in place since this one */
    uint64_t verified_unix_ms;     /* when it was last read in full and right; 0 = never */
    uint64_t checked_unix_ms;      /* when that was last tried */
    const char *damage;            /* what the last try found; '' = nothing */
    uint64_t restore_tested_ms;    /* how long restoring it into a scratch database took; 0 = not */
    uint64_t needed_until_unix_ms; /* until then the rollout's policy may roll the shard back */
} Manifest;

/* "<directory>/<uuid>/<operation><ending>" */
const char *backup_file_path(Arena *arena, const char *directory, const Uuid *shard,
                             const OperationId *operation, const char *ending);

/* Replaces the manifest as a whole, durably. */
ErrCode manifest_write(const char *directory, const Manifest *manifest, Error *err) MUST_CHECK;
/* ERR_NOT_FOUND, or ERR_BACKUP for one that can't be read. Texts live in `arena`. */
ErrCode manifest_read(Arena *arena, const char *path, Manifest *ret_manifest,
                      Error *err) MUST_CHECK;
ErrCode manifest_find(Arena *arena, const char *directory, const Uuid *shard,
                      const OperationId *operation, Manifest *ret_manifest, Error *err) MUST_CHECK;

/* The one beside a backup, whose path below `directory` is `backup`. */
ErrCode manifest_read_beside(Arena *arena, const char *directory, const char *backup,
                             Manifest *ret_manifest, Error *err) MUST_CHECK;
/* The digest of a directory's files, which are sorted by name. */
Digest manifest_files_digest(const ManifestFile *files, size_t count);
