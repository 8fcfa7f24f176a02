#include "state_backup.h"

#include "blob.h"
#include "clock.h"
#include "digest.h"
#include "file.h"
#include "json.h"
#include "named_limits.h"

#include <errno.h>
#include <ftw.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char manifest_name[] = "backup.json";
static const char journal_name[] = "journal.sqlite";
static const char key_name[] = "coordinator.key";
static const char partial_suffix[] = ".partial";

/* --- the files of a backup -------------------------------------------------------------------- */

typedef struct BackupFile {
    const char *path; /* below the directory */
    Digest digest;
    uint64_t size_bytes;
} BackupFile;

typedef struct BackupFiles {
    Arena *arena;
    const char *directory;
    BackupFile *items;
    size_t count;
    size_t capacity;
    uint64_t size_bytes;
} BackupFiles;

static void add_entry(BackupFiles *files, const BackupFile *file)
{
    if (files->count == files->capacity) {
        size_t capacity = files->capacity == 0 ? 64 : files->capacity * 2;
        files->items =
            arena_grow(files->arena, files->items, files->count, capacity, sizeof *files->items);
        files->capacity = capacity;
    }
    files->items[files->count++] = *file;
    files->size_bytes += file->size_bytes;
}

static ErrCode add_file(BackupFiles *files, const char *path, Error *err)
{
    BackupFile file = {.path = arena_strdup(files->arena, path)};
    const char *whole = path_join(files->arena, files->directory, path);
    ErrCode code = sha256_file(whole, UINT64_MAX, &file.digest, &file.size_bytes, err);
    if (code == ERR_OK)
        add_entry(files, &file);
    return code;
}

static const char *blob_file(Arena *arena, const Digest *digest)
{
    char hex[DIGEST_HEX_SIZE];
    digest_hex(digest, hex);
    return arena_printf(arena, "blobs/%s", hex);
}

/* --- making ----------------------------------------------------------------------------------- */

typedef struct BlobCopy {
    BlobStore *from;
    BlobStore *to;
    BackupFiles *files;
    const atomic_bool *stop;
    ErrCode code;
    Error *err;
} BlobCopy;

static void copy_blob(void *context, const Digest *digest, uint64_t written_unix_ms)
{
    (void)written_unix_ms;
    BlobCopy *copy = context;
    AUTO_ARENA Arena *arena = arena_new();
    uint8_t *bytes;
    size_t length;
    Digest put;
    if (copy->code != ERR_OK)
        return;
    if (atomic_load(copy->stop)) {
        copy->code = err_set(copy->err, ERR_INTERRUPTED, "the backup was interrupted");
        return;
    }
    copy->code = blob_read(copy->from, arena, digest, &bytes, &length, copy->err);
    if (copy->code == ERR_OK)
        copy->code = blob_put(copy->to, bytes, length, &put, copy->err);
    if (copy->code == ERR_OK)
        add_entry(copy->files,
                  &(BackupFile){blob_file(copy->files->arena, digest), *digest, length});
}

/* After the journal: a blob is there before the record that refers to it. */
static ErrCode copy_blobs(const StateBackupArgs *args, BackupFiles *files, Error *err)
{
    BlobCopy copy = {.files = files, .stop = args->stop, .err = err};
    const char *from = path_join(files->arena, args->state_path, "blobs");
    const char *to = path_join(files->arena, files->directory, "blobs");
    copy.code = blob_store_open(from, LIMIT_BUNDLE_BYTES, &copy.from, err);
    if (copy.code == ERR_OK)
        copy.code = blob_store_open(to, LIMIT_BUNDLE_BYTES, &copy.to, err);
    if (copy.code == ERR_OK) {
        ErrCode visited = blob_visit(copy.from, copy_blob, &copy, err);
        copy.code = copy.code == ERR_OK ? visited : copy.code;
    }
    blob_store_close(copy.from);
    blob_store_close(copy.to);
    return copy.code;
}

static ErrCode copy_key(const StateBackupArgs *args, BackupFiles *files, Error *err)
{
    uint8_t *bytes;
    size_t length;
    if (args->key_path == NULL)
        return ERR_OK;
    AUTO_ARENA Arena *arena = arena_new();
    ErrCode code = file_read_all(arena, args->key_path, LIMIT_TEXT_BYTES, &bytes, &length, err);
    if (code != ERR_OK)
        return code;
    code = file_write_new(path_join(arena, files->directory, key_name), bytes, length, 0600, err);
    explicit_bzero(bytes, length);
    return code == ERR_OK ? add_file(files, key_name, err) : code;
}

static ErrCode write_manifest(const StateBackupArgs *args, const BackupFiles *files,
                              const StateBackup *backup, Error *err)
{
    AUTO_STR Str text = {0};
    JsonWriter json = json_writer(&text);
    char id[UUID_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
    uuid_format(&args->fleet_id, id);
    digest_format(&backup->head.hash, digest);
    json_object_begin(&json);
    json_field_string(&json, "what", "pgtide-coordinator backup");
    json_field_uint(&json, "format", 1);
    json_field_string(&json, "coordinator", args->name);
    json_field_string(&json, "fleet", id);
    json_field_time(&json, "made", backup->made_unix_ms);
    json_field_uint(&json, "epoch", backup->head.epoch);
    json_field_uint(&json, "records", backup->head.seq);
    json_field_string(&json, "head", digest);
    json_field_array(&json, "files");
    for (size_t i = 0; i < files->count; i++) {
        digest_format(&files->items[i].digest, digest);
        json_object_begin(&json);
        json_field_string(&json, "path", files->items[i].path);
        json_field_uint(&json, "size_bytes", files->items[i].size_bytes);
        json_field_string(&json, "sha256", digest);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
    str_append_char(&text, '\n');
    return file_write_new(path_join(files->arena, files->directory, manifest_name), text.data,
                          text.length, 0600, err);
}

static ErrCode fill(const StateBackupArgs *args, BackupFiles *files, StateBackup *backup,
                    Error *err)
{
    const char *journal = path_join(files->arena, files->directory, journal_name);
    ErrCode code = journal_copy(args->journal, journal, args->stop, err);
    if (code == ERR_OK)
        code = journal_check(journal, &backup->head, err);
    if (code == ERR_OK)
        code = add_file(files, journal_name, err);
    if (code == ERR_OK)
        code = copy_blobs(args, files, err);
    if (code != ERR_OK)
        return code;
    backup->blob_count = files->count - 1;
    code = copy_key(args, files, err);
    if (code == ERR_OK)
        code = write_manifest(args, files, backup, err);
    backup->size_bytes = files->size_bytes;
    return code == ERR_OK ? dir_sync(files->directory, err) : code;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static ErrCode make_directory(const char *path, Error *err)
{
    if (mkdir(path, 0700) == 0)
        return ERR_OK;
    if (errno != EEXIST)
        return err_set(err, ERR_IO, "can't make '%s': %s", path, strerror(errno));
    err_set(err, ERR_EXISTS, "'%s' is there already", path);
    err_hint(err, "A backup that was cut off has left it, or another one is at work. Remove it if "
                  "none is.");
    return ERR_EXISTS;
}

ErrCode state_backup_make(const StateBackupArgs *args, StateBackup *ret_backup, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    BackupFiles files = {.arena = arena};
    StateBackup backup = {.fleet_id = args->fleet_id,
                          .made_unix_ms = clock_unix_ms(),
                          .has_key = args->key_path != NULL};
    if (file_exists(args->directory))
        return err_set(err, ERR_EXISTS, "'%s' is there already", args->directory);
    files.directory = arena_printf(arena, "%s%s", args->directory, partial_suffix);
    ErrCode code = make_directory(files.directory, err);
    if (code != ERR_OK)
        return code;
    code = fill(args, &files, &backup, err);
    if (code == ERR_OK && rename(files.directory, args->directory) != 0)
        code = err_set(err, ERR_IO, "can't rename '%s': %s", files.directory, strerror(errno));
    if (code != ERR_OK) {
        enum { DESCRIPTORS = 8 };
        nftw(files.directory, remove_entry, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
        return code;
    }
    code = dir_sync(path_dirname(arena, args->directory), err);
    if (code == ERR_OK)
        *ret_backup = backup;
    return code;
}

/* --- checking --------------------------------------------------------------------------------- */

static ErrCode wrong(Error *err, const char *directory, const char *what)
{
    return err_set(err, ERR_BACKUP, "%s: %s", directory, what);
}

/* No path leads out of the directory. */
static bool is_ours(const char *path)
{
    char text[DIGEST_TEXT_SIZE];
    Digest digest;
    if (strcmp(path, journal_name) == 0 || strcmp(path, key_name) == 0)
        return true;
    int length = snprintf(text, sizeof text, "sha256:%s", path + strcspn(path, "/") + 1);
    return str_starts_with(path, "blobs/") && length == DIGEST_TEXT_SIZE - 1 &&
           digest_parse(text, &digest);
}

static ErrCode check_file(const char *directory, const json_t *entry, StateBackup *backup,
                          bool *ret_is_journal, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *path = json_string_value(json_object_get(entry, "path"));
    const char *sha256 = json_string_value(json_object_get(entry, "sha256"));
    const json_t *size = json_object_get(entry, "size_bytes");
    Digest wanted, found;
    uint64_t size_bytes;
    if (path == NULL || !is_ours(path) || sha256 == NULL || !digest_parse(sha256, &wanted) ||
        !json_is_integer(size))
        return wrong(err, directory, "the manifest names a file that is no backup's");
    ErrCode code =
        sha256_file(path_join(arena, directory, path), UINT64_MAX, &found, &size_bytes, err);
    if (code == ERR_NOT_FOUND)
        return err_set(err, ERR_BACKUP, "%s: %s is missing", directory, path);
    if (code != ERR_OK)
        return code;
    if (!digest_equal(&wanted, &found) || size_bytes != (uint64_t)json_integer_value(size))
        return err_set(err, ERR_BACKUP, "%s: %s is not what was backed up", directory, path);
    backup->size_bytes += size_bytes;
    *ret_is_journal = strcmp(path, journal_name) == 0;
    if (strcmp(path, key_name) == 0)
        backup->has_key = true;
    else if (!*ret_is_journal)
        backup->blob_count++;
    return ERR_OK;
}

static ErrCode check_files(const char *directory, const json_t *files, StateBackup *backup,
                           Error *err)
{
    bool has_journal = false;
    for (size_t i = 0; i < json_array_size(files); i++) {
        bool is_journal = false;
        ErrCode code = check_file(directory, json_array_get(files, i), backup, &is_journal, err);
        if (code != ERR_OK)
            return code;
        has_journal = has_journal || is_journal;
    }
    return has_journal ? ERR_OK : wrong(err, directory, "the manifest names no journal");
}

static ErrCode check_manifest(const char *directory, const json_t *manifest, StateBackup *backup,
                              Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    const char *fleet = json_string_value(json_object_get(manifest, "fleet"));
    const char *made = json_string_value(json_object_get(manifest, "made"));
    const char *head = json_string_value(json_object_get(manifest, "head"));
    Digest hash;
    if (json_integer_value(json_object_get(manifest, "format")) != 1 || fleet == NULL ||
        !uuid_parse(fleet, &backup->fleet_id) || made == NULL ||
        !time_parse_rfc3339(made, &backup->made_unix_ms) || head == NULL ||
        !digest_parse(head, &hash))
        return wrong(err, directory, "backup.json is not the manifest of a coordinator's backup");
    ErrCode code = check_files(directory, json_object_get(manifest, "files"), backup, err);
    if (code == ERR_OK)
        code = journal_check(path_join(arena, directory, journal_name), &backup->head, err);
    if (code == ERR_OK && !digest_equal(&hash, &backup->head.hash))
        code = wrong(err, directory, "the journal does not end where the manifest says");
    return code;
}

ErrCode state_backup_check(const char *directory, StateBackup *ret_backup, Error *err)
{
    AUTO_ARENA Arena *arena = arena_new();
    StateBackup backup = {0};
    char *text;
    size_t length;
    ErrCode code = file_read_text(arena, path_join(arena, directory, manifest_name),
                                  LIMIT_MANIFEST_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    json_t *manifest = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    code = check_manifest(directory, manifest, &backup, err);
    json_decref(manifest);
    if (code == ERR_OK)
        *ret_backup = backup;
    return code;
}
