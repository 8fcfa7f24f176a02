#include "bundle_safe.h"

#include "digest.h"
#include "named_limits.h"
#include "proto_read.h"

#include <string.h>

typedef Pgtide__V1__BundleManifest ManifestMessage;
typedef Pgtide__V1__BundleSafe SafeMessage;

/* What a directory may hold: no path, nothing hidden. */
static bool is_name(const char *name)
{
    size_t length = strlen(name);
    return length > strlen(".sql") && length <= LIMIT_REVISION_ID_BYTES && name[0] != '.' &&
           strchr(name, '/') == NULL && str_ends_with(name, ".sql") && str_is_utf8(name, length);
}

ErrCode bundle_safe_add(Arena *arena, const SafeFiles *safe, ManifestMessage *manifest,
                        ProtobufCBinaryData *files, size_t *count, Error *err)
{
    SafeList checked;
    if (safe->count > LIMIT_SAFE_FILES)
        return err_set(err, ERR_LIMIT, "more than %d files of safe statements", LIMIT_SAFE_FILES);
    ErrCode code = safe_list_read(arena, "safe", safe, &checked, err);
    if (code != ERR_OK)
        return code;
    manifest->n_safe = safe->count;
    manifest->safe = ARENA_ARRAY(arena, SafeMessage *, safe->count);
    for (size_t i = 0; i < safe->count; i++) {
        const SafeFile *file = &safe->items[i];
        if (!is_name(file->name))
            return err_set(err, ERR_USAGE, "'%.100s' can't be a file of safe statements",
                           file->name);
        Digest *digest = ARENA_NEW(arena, Digest);
        *digest = sha256_bytes(file->bytes, file->length);
        SafeMessage *message = ARENA_NEW(arena, SafeMessage);
        pgtide__v1__bundle_safe__init(message);
        message->name = proto_from_text(file->name);
        message->source_sha256 = proto_from_digest(digest);
        message->length = file->length;
        manifest->safe[i] = message;
        files[(*count)++] = proto_bytes(file->bytes, file->length);
    }
    return ERR_OK;
}

static ErrCode file_open(const SafeMessage *said, const ProtobufCBinaryData *bytes, Error *err)
{
    Digest wanted;
    ErrCode code = proto_digest(&said->source_sha256, "source_sha256", &wanted, err);
    if (code != ERR_OK)
        return code;
    if (!is_name(said->name))
        return err_set(err, ERR_PROTOCOL, "a name of safe statements in the manifest is not valid");
    Digest found = sha256_bytes(bytes->data, bytes->len);
    if (bytes->len == said->length && digest_equal(&found, &wanted))
        return ERR_OK;
    err_set(err, ERR_DIGEST_MISMATCH, "safe/%.200s is not the file that was signed", said->name);
    err_hint(err, "Build and sign the bundle anew from a trusted checkout.");
    return ERR_DIGEST_MISMATCH;
}

ErrCode bundle_safe_open(Arena *arena, const ManifestMessage *manifest,
                         const ProtobufCBinaryData *files, Bundle *out, Error *err)
{
    if (manifest->n_safe > LIMIT_SAFE_FILES)
        return err_set(err, ERR_PROTOCOL, "a bundle holds at most %d files of safe statements",
                       LIMIT_SAFE_FILES);
    SafeFiles safe = {.items = ARENA_ARRAY(arena, SafeFile, manifest->n_safe)};
    for (size_t i = 0; i < manifest->n_safe; i++) {
        const SafeMessage *said = manifest->safe[i];
        if (i > 0 && strcmp(manifest->safe[i - 1]->name, said->name) >= 0)
            return err_set(err, ERR_PROTOCOL, "the manifest's safe statements are not sorted");
        ErrCode code = file_open(said, &files[i], err);
        if (code != ERR_OK)
            return code;
        safe.items[safe.count++] = (SafeFile){.name = arena_strdup(arena, said->name),
                                              .bytes = files[i].data,
                                              .length = files[i].len};
    }
    out->safe_files = safe;
    return safe_list_read(arena, "safe", &safe, &out->safe, err);
}
