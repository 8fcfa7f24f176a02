#include "bundle.h"

#include "bundle_safe.h"

#include "digest.h"
#include "named_limits.h"
#include "proto_read.h"

#include <stdlib.h>
#include <string.h>

typedef Pgtide__V1__BundleFile FileMessage;
typedef Pgtide__V1__BundleManifest ManifestMessage;
typedef Pgtide__V1__BundleRevision RevisionMessage;

static char **texts_of(const StrList *list)
{
    return (char **)(uintptr_t)list->items;
}

static RevisionMessage *revision_encode(Arena *arena, const Script *script)
{
    RevisionMessage *message = ARENA_NEW(arena, RevisionMessage);
    pgtide__v1__bundle_revision__init(message);
    message->id = proto_from_text(script->id);
    message->revises = texts_of(&script->parents);
    message->n_revises = script->parents.count;
    message->depends_on = texts_of(&script->depends_on);
    message->n_depends_on = script->depends_on.count;
    message->labels = texts_of(&script->labels);
    message->n_labels = script->labels.count;
    message->message = proto_from_text(script->message);
    message->source_sha256 = proto_from_digest(&script->source_sha256);
    message->token_digest = proto_from_text(script->token_digest);
    message->length = script->length;
    message->irreversible = proto_from_text(script->irreversible);
    message->transactional = script->transactional;
    message->baseline = script->kind == SCRIPT_BASELINE;
    return message;
}

/* A baseline comes behind the revision that it stands for. */
static int compare_scripts(const void *a, const void *b)
{
    const Script *left = *(Script *const *)a;
    const Script *right = *(Script *const *)b;
    int order = strcmp(left->id, right->id);
    return order != 0 ? order : (int)left->kind - (int)right->kind;
}

static bool is_sorted(const RevisionMessage *before, const RevisionMessage *after)
{
    int order = strcmp(before->id, after->id);
    return order < 0 || (order == 0 && !before->baseline && after->baseline);
}

/* The file around a signed manifest; `files` as in the message. */
static ErrCode file_pack(Arena *arena, const uint8_t *envelope, size_t envelope_length,
                         ProtobufCBinaryData *files, size_t count, uint8_t **ret_bytes,
                         size_t *ret_length, Error *err)
{
    FileMessage file = PGTIDE__V1__BUNDLE_FILE__INIT;
    file.manifest_envelope = proto_bytes(envelope, envelope_length);
    file.files = files;
    file.n_files = count;
    size_t length;
    uint8_t *bytes = proto_pack(arena, &file.base, &length);
    if (length > LIMIT_BUNDLE_BYTES)
        return err_set(err, ERR_LIMIT, "the bundle would have %zu bytes, more than %d", length,
                       LIMIT_BUNDLE_BYTES);
    *ret_bytes = bytes;
    *ret_length = length;
    return ERR_OK;
}

ErrCode bundle_build(Arena *arena, const char *name, uint64_t created_unix_ms,
                     Script *const *scripts, size_t count, const SafeFiles *safe,
                     uint8_t **ret_bytes, size_t *ret_length, Error *err)
{
    static const SafeFiles none = {0};
    if (safe == NULL)
        safe = &none;
    if (name[0] == '\0' || strlen(name) > LIMIT_NAME_BYTES || !str_is_utf8(name, strlen(name)))
        return err_set(err, ERR_USAGE, "a bundle's name has 1 to %d bytes", LIMIT_NAME_BYTES);
    if (count == 0 || count > LIMIT_REVISIONS)
        return err_set(err, ERR_LIMIT, "a bundle holds 1 to %d revisions, not %zu", LIMIT_REVISIONS,
                       count);
    RevisionMap *map;
    ErrCode code = graph_build(arena, scripts, count, &map, err);
    if (code != ERR_OK)
        return code;
    if (graph_repeatable_count(map) > 0) {
        const Script *repeatable = graph_repeatable_at(map, 0);
        err_set(err, ERR_REFUSED, "%.160s is repeatable; a fleet does not run such files yet",
                repeatable->id);
        err_hint(err, "Build it with --without-repeatables, and run them shard by shard.");
        err_at(err, repeatable->file, 0);
        return ERR_REFUSED;
    }
    Script **sorted = arena_memdup(arena, scripts, count * sizeof(Script *));
    qsort(sorted, count, sizeof(Script *), compare_scripts);
    ManifestMessage manifest = PGTIDE__V1__BUNDLE_MANIFEST__INIT;
    manifest.name = proto_from_text(name);
    manifest.created_unix_ms = created_unix_ms;
    manifest.n_revisions = count;
    manifest.revisions = ARENA_ARRAY(arena, RevisionMessage *, count);
    ProtobufCBinaryData *files = ARENA_ARRAY(arena, ProtobufCBinaryData, count + safe->count);
    for (size_t i = 0; i < count; i++) {
        manifest.revisions[i] = revision_encode(arena, sorted[i]);
        files[i] = proto_bytes(sorted[i]->bytes, sorted[i]->length);
    }
    code = bundle_safe_add(arena, safe, &manifest, files, &count, err);
    if (code != ERR_OK)
        return code;
    size_t length;
    const uint8_t *bytes = proto_pack(arena, &manifest.base, &length);
    uint8_t *envelope;
    size_t envelope_length;
    code = envelope_sign(arena, MESSAGE_BUNDLE, bytes, length, NULL, 0, &envelope, &envelope_length,
                         err);
    if (code != ERR_OK)
        return code;
    return file_pack(arena, envelope, envelope_length, files, count, ret_bytes, ret_length, err);
}

static ErrCode file_unpack(Arena *arena, const void *bytes, size_t length, FileMessage **ret_file,
                           Error *err)
{
    if (length > LIMIT_BUNDLE_BYTES)
        return err_set(err, ERR_LIMIT, "a bundle has at most %d bytes, not %zu", LIMIT_BUNDLE_BYTES,
                       length);
    ErrCode code = proto_unpack(arena, &pgtide__v1__bundle_file__descriptor, bytes, length,
                                UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)ret_file, err);
    return code == ERR_OK ? code : err_wrap(err, "not a bundle");
}

static bool texts_equal(const StrList *list, char *const *texts, size_t count)
{
    bool equal = list->count == count;
    for (size_t i = 0; equal && i < count; i++)
        equal = strcmp(list->items[i], texts[i]) == 0;
    return equal;
}

/* One file against what the signed manifest says of it. The token digest is not compared: another
 * version of the scanner may make another one, and the bytes are what was signed. */
static ErrCode revision_open(Arena *arena, const RevisionMessage *said,
                             const ProtobufCBinaryData *bytes, Script **ret_script, Error *err)
{
    Digest wanted;
    ErrCode code = proto_digest(&said->source_sha256, "source_sha256", &wanted, err);
    if (code != ERR_OK)
        return code;
    if (!revision_id_is_valid(said->id))
        return err_set(err, ERR_PROTOCOL, "a revision id in the manifest is not valid");
    Digest found = sha256_bytes(bytes->data, bytes->len);
    if (bytes->len != said->length || !digest_equal(&found, &wanted)) {
        err_set(err, ERR_DIGEST_MISMATCH, "revision %.200s is not the file that was signed",
                said->id);
        err_hint(err, "Build and sign the bundle anew from a trusted checkout.");
        return ERR_DIGEST_MISMATCH;
    }
    Script *script;
    const char *name = arena_printf(arena, said->baseline ? "baseline_%s.sql" : "%s.sql", said->id);
    code = script_parse(arena, name, bytes->data, bytes->len, &script, err);
    if (code != ERR_OK)
        return code;
    const char *irreversible = script->irreversible == NULL ? "" : script->irreversible;
    bool same = strcmp(script->id, said->id) == 0 &&
                script->kind == (said->baseline ? SCRIPT_BASELINE : SCRIPT_REVISION) &&
                texts_equal(&script->parents, said->revises, said->n_revises) &&
                texts_equal(&script->depends_on, said->depends_on, said->n_depends_on) &&
                texts_equal(&script->labels, said->labels, said->n_labels) &&
                strcmp(script->message, said->message) == 0 &&
                strcmp(irreversible, said->irreversible) == 0 &&
                script->transactional == (said->transactional != 0);
    if (!same)
        return err_set(err, ERR_PROTOCOL, "the manifest and the file of revision %.200s disagree",
                       said->id);
    *ret_script = script;
    return ERR_OK;
}

static ErrCode manifest_open(Arena *arena, const FileMessage *file, const uint8_t *payload,
                             size_t length, Bundle *out, Error *err)
{
    ManifestMessage *manifest;
    ErrCode code = proto_unpack(arena, &pgtide__v1__bundle_manifest__descriptor, payload, length,
                                UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)&manifest, err);
    if (code != ERR_OK)
        return err_wrap(err, "bundle manifest");
    if (manifest->n_revisions == 0 || manifest->n_revisions > LIMIT_REVISIONS)
        return err_set(err, ERR_PROTOCOL, "a bundle holds 1 to %d revisions", LIMIT_REVISIONS);
    if (manifest->n_revisions + manifest->n_safe != file->n_files)
        return err_set(err, ERR_DIGEST_MISMATCH, "the manifest lists %zu files, the bundle has %zu",
                       manifest->n_revisions + manifest->n_safe, file->n_files);
    if (manifest->name[0] == '\0' || strlen(manifest->name) > LIMIT_NAME_BYTES)
        return err_set(err, ERR_PROTOCOL, "a bundle's name has 1 to %d bytes", LIMIT_NAME_BYTES);
    out->digest = sha256_bytes(payload, length);
    out->name = arena_strdup(arena, manifest->name);
    out->created_unix_ms = manifest->created_unix_ms;
    out->script_count = manifest->n_revisions;
    out->scripts = ARENA_ARRAY(arena, Script *, out->script_count);
    for (size_t i = 0; i < out->script_count; i++) {
        if (i > 0 && !is_sorted(manifest->revisions[i - 1], manifest->revisions[i]))
            return err_set(err, ERR_PROTOCOL, "the manifest's revisions are not sorted");
        code = revision_open(arena, manifest->revisions[i], &file->files[i], &out->scripts[i], err);
        if (code != ERR_OK)
            return code;
    }
    code = graph_build(arena, out->scripts, out->script_count, &out->map, err);
    return code == ERR_OK
               ? bundle_safe_open(arena, manifest, file->files + out->script_count, out, err)
               : code;
}

ErrCode bundle_open(Arena *arena, const void *bytes, size_t length, const Trust *trust,
                    Bundle *ret_bundle, Error *err)
{
    FileMessage *file;
    const uint8_t *payload;
    size_t payload_length;
    Bundle bundle = {0};
    ErrCode code = file_unpack(arena, bytes, length, &file, err);
    if (code == ERR_OK)
        code = envelope_open(arena, file->manifest_envelope.data, file->manifest_envelope.len,
                             MESSAGE_BUNDLE, trust_lookup_release, (void *)(uintptr_t)trust,
                             &payload, &payload_length, &bundle.signers, err);
    if (code == ERR_OK)
        code = trust_release_threshold_met(trust, &bundle.signers, err);
    if (code == ERR_OK)
        code = manifest_open(arena, file, payload, payload_length, &bundle, err);
    if (code == ERR_OK)
        *ret_bundle = bundle;
    return code;
}

ErrCode bundle_open_unverified(Arena *arena, const void *bytes, size_t length, Bundle *ret_bundle,
                               size_t *ret_signature_count, Error *err)
{
    FileMessage *file;
    const uint8_t *payload;
    size_t payload_length;
    size_t signatures;
    Bundle bundle = {0};
    ErrCode code = file_unpack(arena, bytes, length, &file, err);
    if (code == ERR_OK)
        code = envelope_peek_unverified(arena, file->manifest_envelope.data,
                                        file->manifest_envelope.len, MESSAGE_BUNDLE, &payload,
                                        &payload_length, &signatures, err);
    if (code == ERR_OK)
        code = manifest_open(arena, file, payload, payload_length, &bundle, err);
    if (code != ERR_OK)
        return code;
    *ret_bundle = bundle;
    *ret_signature_count = signatures;
    return ERR_OK;
}

/* Nobody signs what can't be opened: the contents are checked before. */
ErrCode bundle_sign(Arena *arena, const void *bytes, size_t length, const SecretKey *key,
                    uint8_t **ret_bytes, size_t *ret_length, Error *err)
{
    FileMessage *file;
    uint8_t *envelope;
    size_t envelope_length;
    Bundle ignored;
    size_t signatures;
    ErrCode code = bundle_open_unverified(arena, bytes, length, &ignored, &signatures, err);
    if (code == ERR_OK)
        code = file_unpack(arena, bytes, length, &file, err);
    if (code == ERR_OK)
        code =
            envelope_add_signature(arena, file->manifest_envelope.data, file->manifest_envelope.len,
                                   MESSAGE_BUNDLE, key, &envelope, &envelope_length, err);
    if (code != ERR_OK)
        return code;
    return file_pack(arena, envelope, envelope_length, file->files, file->n_files, ret_bytes,
                     ret_length, err);
}

ErrCode bundle_manifest_envelope(Arena *arena, const void *bytes, size_t length,
                                 const uint8_t **ret_bytes, size_t *ret_length, Error *err)
{
    FileMessage *file;
    ErrCode code = file_unpack(arena, bytes, length, &file, err);
    if (code != ERR_OK)
        return code;
    *ret_bytes = file->manifest_envelope.data;
    *ret_length = file->manifest_envelope.len;
    return ERR_OK;
}

ErrCode bundle_manifest_open(Arena *arena, const void *bytes, size_t length, const Trust *trust,
                             Bundle *ret_bundle, Error *err)
{
    const uint8_t *payload;
    size_t payload_length;
    ManifestMessage *manifest;
    Bundle bundle = {0};
    ErrCode code =
        envelope_open(arena, bytes, length, MESSAGE_BUNDLE, trust_lookup_release,
                      (void *)(uintptr_t)trust, &payload, &payload_length, &bundle.signers, err);
    if (code == ERR_OK)
        code = trust_release_threshold_met(trust, &bundle.signers, err);
    if (code == ERR_OK)
        code =
            proto_unpack(arena, &pgtide__v1__bundle_manifest__descriptor, payload, payload_length,
                         UNKNOWN_FIELDS_REFUSE, (ProtobufCMessage **)&manifest, err);
    if (code == ERR_OK && (manifest->n_revisions == 0 || manifest->n_revisions > LIMIT_REVISIONS))
        code = err_set(err, ERR_PROTOCOL, "a bundle holds 1 to %d revisions", LIMIT_REVISIONS);
    if (code != ERR_OK)
        return code;
    bundle.digest = sha256_bytes(payload, payload_length);
    bundle.name = manifest->name;
    bundle.created_unix_ms = manifest->created_unix_ms;
    bundle.script_count = manifest->n_revisions;
    *ret_bundle = bundle;
    return ERR_OK;
}
