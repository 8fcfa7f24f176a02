/*
 * trust init, trust sign, trust show: the file that says which keys hold which role.
 */
#include "clock.h"
#include "command.h"
#include "digest.h"
#include "file.h"
#include "trust.h"

#include <stdlib.h>
#include <string.h>

/* --- init ------------------------------------------------------------------------------------- */

static ErrCode load_keys(CommandContext *context, const char *option, PublicKeyInfo **ret_keys,
                         size_t *ret_count, Error *err)
{
    StrList paths = context_options(context, option);
    PublicKeyInfo *keys = ARENA_ARRAY(context->arena, PublicKeyInfo, paths.count + 1);
    for (size_t i = 0; i < paths.count; i++) {
        ErrCode code = public_key_load(paths.items[i], &keys[i], err);
        if (code != ERR_OK) {
            return code;
        }
    }
    *ret_keys = keys;
    *ret_count = paths.count;
    return ERR_OK;
}

static ErrCode read_role(CommandContext *context, const char *option, TrustKeyRole *role,
                         Error *err)
{
    PublicKeyInfo *keys;
    ErrCode code = load_keys(context, option, &keys, &role->key_count, err);
    if (code != ERR_OK) {
        return code;
    }
    if (role->key_count == 0) {
        return err_set(err, ERR_USAGE, "at least one --%s FILE.pub is needed", option);
    }
    role->keys = keys;
    uint32_t keys_given = (uint32_t)role->key_count;
    uint32_t majority = keys_given / 2 + 1;
    return context_number(context, arena_printf(context->arena, "%s-threshold", option), majority,
                          keys_given, &role->threshold, err);
}

/* NAME:ROLE:FILE, ROLE:FILE or FILE=ROLE */
static ErrCode split_operator(CommandContext *context, const char *text, const char **ret_name,
                              const char **ret_role, const char **ret_path, Error *err)
{
    char *copy = arena_strdup(context->arena, text);
    char *equals = strrchr(copy, '=');
    char *first = strchr(copy, ':');
    *ret_name = NULL;
    if (equals != NULL) {
        *equals = '\0';
        *ret_path = copy;
        *ret_role = equals + 1;
        return ERR_OK;
    }
    if (first == NULL) {
        return err_set(err, ERR_USAGE,
                       "--operator is NAME:ROLE:FILE.pub or FILE.pub=ROLE, not "
                       "'%s'",
                       text);
    }
    *first = '\0';
    char *second = strchr(first + 1, ':');
    if (second == NULL) {
        *ret_role = copy;
        *ret_path = first + 1;
        return ERR_OK;
    }
    *second = '\0';
    *ret_name = copy;
    *ret_role = first + 1;
    *ret_path = second + 1;
    return ERR_OK;
}

static ErrCode read_operator(CommandContext *context, const char *text, TrustOperator *out,
                             Error *err)
{
    const char *name;
    const char *role;
    const char *path;
    ErrCode code = split_operator(context, text, &name, &role, &path, err);
    if (code != ERR_OK) {
        return code;
    }
    out->role = operator_role_from_name(role);
    if (out->role == OPERATOR_ROLE_UNSPECIFIED) {
        err_set(err, ERR_USAGE, "'%s' is not an operator's role", role);
        err_hint(err, "Roles are viewer, operator, approver and admin.");
        return ERR_USAGE;
    }
    code = public_key_load(path, &out->key, err);
    if (code == ERR_OK && name != NULL) {
        if (!name_is_valid(name)) {
            return err_set(err, ERR_USAGE, "'%s' is not a name ([a-z0-9][a-z0-9_-]{0,62})", name);
        }
        memset(out->key.name, 0, sizeof out->key.name);
        memcpy(out->key.name, name, strlen(name));
    }
    return code;
}

static ErrCode read_operators(CommandContext *context, TrustParts *parts, Error *err)
{
    StrList texts = context_options(context, "operator");
    TrustOperator *operators = ARENA_ARRAY(context->arena, TrustOperator, texts.count + 1);
    for (size_t i = 0; i < texts.count; i++) {
        ErrCode code = read_operator(context, texts.items[i], &operators[i], err);
        if (code != ERR_OK) {
            return code;
        }
    }
    parts->operators = operators;
    parts->operator_count = texts.count;
    return ERR_OK;
}

/* Fleet id and version: of a new fleet, or of the file this one takes the place of. */
static ErrCode read_identity(CommandContext *context, TrustParts *parts, Error *err)
{
    const char *replaces = context_option(context, "replaces");
    const char *fleet = context_option(context, "fleet");
    parts->version = 1;
    parts->fleet_id = uuid_random();
    if (fleet != NULL && !uuid_parse(fleet, &parts->fleet_id)) {
        return err_set(err, ERR_USAGE, "--fleet is not a UUID: '%s'", fleet);
    }
    if (replaces == NULL) {
        return ERR_OK;
    }
    AUTO_TRUST Trust *old = NULL;
    ErrCode code = trust_load(replaces, 0, &old, err);
    if (code != ERR_OK) {
        return code;
    }
    if (fleet != NULL && !uuid_equal(&parts->fleet_id, trust_fleet_id(old))) {
        return err_set(err, ERR_USAGE, "%s is of another fleet than --fleet", replaces);
    }
    parts->fleet_id = *trust_fleet_id(old);
    parts->version = trust_version(old) + 1;
    return ERR_OK;
}

static ErrCode read_parts(CommandContext *context, TrustParts *parts, Error *err)
{
    uint64_t expires_ms;
    PublicKeyInfo *coordinators;
    ErrCode code = read_identity(context, parts, err);
    if (code == ERR_OK) {
        code = read_role(context, "root", &parts->root, err);
    }
    if (code == ERR_OK) {
        code = read_role(context, "release", &parts->release, err);
    }
    if (code == ERR_OK) {
        code = read_operators(context, parts, err);
    }
    if (code == ERR_OK) {
        code = load_keys(context, "coordinator", &coordinators, &parts->coordinator_count, err);
    }
    if (code == ERR_OK) {
        code = context_duration(context, "expires", 0, &expires_ms, err);
    }
    if (code != ERR_OK) {
        return code;
    }
    parts->coordinators = coordinators;
    parts->created_unix_ms = clock_unix_ms();
    if (expires_ms != 0) {
        parts->expires_unix_ms = parts->created_unix_ms + expires_ms;
    }
    return ERR_OK;
}

static ErrCode add_signature(CommandContext *context, const char *key_path, uint8_t **bytes,
                             size_t *length, Error *err)
{
    AUTO_KEY SecretKey *key = NULL;
    AUTO_TRUST Trust *trust = NULL;
    Signers signers;
    ErrCode code = key_load(key_path, context_option(context, "passphrase-file"), &key, err);
    if (code == ERR_OK) {
        code = trust_open_unverified(*bytes, *length, &trust, &signers, err);
    }
    if (code != ERR_OK) {
        return code;
    }
    if (trust_lookup_root(trust, key_public(key)->keyid) == NULL) {
        note(context, "%s is no root key of this file; it counts only for the version before",
             key_public(key)->name);
    }
    return envelope_add_signature(context->arena, *bytes, *length, MESSAGE_TRUST, key, bytes,
                                  length, err);
}

static void say_threshold(CommandContext *context, const Trust *trust, const Signers *signers)
{
    bool complete = trust_root_threshold_met(trust, signers, NULL) == ERR_OK;
    say(context, "signed by %zu of the %u root keys it needs%s", signers->count,
        trust_parts(trust)->root.threshold,
        complete ? "" : ": not usable yet (`pgtide trust sign`)");
}

/* What is in the file now, for people and programs. */
static ErrCode report_file(CommandContext *context, const char *path, const uint8_t *bytes,
                           size_t length, Error *err)
{
    AUTO_TRUST Trust *trust = NULL;
    Signers signers;
    ErrCode code = trust_open_unverified(bytes, length, &trust, &signers, err);
    if (code != ERR_OK) {
        return code;
    }
    char fleet[UUID_TEXT_SIZE];
    uuid_format(trust_fleet_id(trust), fleet);
    say(context, "wrote %s: version %llu of fleet %s", path,
        (unsigned long long)trust_version(trust), fleet);
    say_threshold(context, trust, &signers);
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "file", path);
    json_field_string(&json, "fleet", fleet);
    json_field_uint(&json, "version", trust_version(trust));
    json_field_uint(&json, "signatures", signers.count);
    json_field_bool(&json, "complete", trust_root_threshold_met(trust, &signers, NULL) == ERR_OK);
    json_object_end(&json);
    return ERR_OK;
}

static ErrCode run_init(CommandContext *context, Error *err)
{
    const char *output = context_option(context, "output");
    StrList signing = context_options(context, "sign");
    TrustParts parts = {.version = 0};
    uint8_t *payload;
    uint8_t *bytes;
    size_t length;
    if (output == NULL) {
        output = "trust";
    }
    ErrCode code = read_parts(context, &parts, err);
    if (code == ERR_OK) {
        code = trust_encode(context->arena, &parts, &payload, &length, err);
    }
    if (code == ERR_OK) {
        code = envelope_sign(context->arena, MESSAGE_TRUST, payload, length, NULL, 0, &bytes,
                             &length, err);
    }
    for (size_t i = 0; code == ERR_OK && i < signing.count; i++) {
        code = add_signature(context, signing.items[i], &bytes, &length, err);
    }
    if (code == ERR_OK) {
        code = file_write_new(output, bytes, length, 0644, err);
    }
    return code == ERR_OK ? report_file(context, output, bytes, length, err) : code;
}

/* --- sign ------------------------------------------------------------------------------------- */

static ErrCode run_sign(CommandContext *context, Error *err)
{
    const char *path = context_argument(context, 0);
    StrList signing = context_options(context, "key");
    uint8_t *bytes;
    size_t length;
    if (signing.count == 0 && getenv("PGTIDE_KEY") != NULL) {
        strlist_add(context->arena, &signing, getenv("PGTIDE_KEY"));
    }
    if (signing.count == 0) {
        return err_set(err, ERR_USAGE, "--key FILE.key is needed (or PGTIDE_KEY)");
    }
    ErrCode code =
        file_read_all(context->arena, path, LIMIT_TRUST_FILE_BYTES, &bytes, &length, err);
    for (size_t i = 0; code == ERR_OK && i < signing.count; i++) {
        code = add_signature(context, signing.items[i], &bytes, &length, err);
    }
    if (code == ERR_OK) {
        code = file_write_atomic(path, bytes, length, 0644, err);
    }
    return code == ERR_OK ? report_file(context, path, bytes, length, err) : code;
}

/* --- show ------------------------------------------------------------------------------------- */

static void show_key(CommandContext *context, JsonWriter *json, const char *role,
                     const PublicKeyInfo *key, const Signers *signers)
{
    bool has_signed = signers != NULL && signers_have(signers, key->ed25519);
    say(context, "  %-12s %-24s %s%s", role, key->name, key->keyid,
        has_signed ? "  signed this file" : "");
    json_object_begin(json);
    json_field_string(json, "name", key->name);
    json_field_string(json, "keyid", key->keyid);
    json_field_string(json, "role", role);
    if (signers != NULL) {
        json_field_bool(json, "signed", has_signed);
    }
    json_object_end(json);
}

static void show_keys(CommandContext *context, JsonWriter *json, const char *role,
                      const PublicKeyInfo *keys, size_t count, const Signers *signers)
{
    for (size_t i = 0; i < count; i++) {
        show_key(context, json, role, &keys[i], signers);
    }
}

static void show_all_keys(CommandContext *context, JsonWriter *json, const TrustParts *parts,
                          const Signers *signers)
{
    json_field_array(json, "keys");
    show_keys(context, json, "root", parts->root.keys, parts->root.key_count, signers);
    show_keys(context, json, "release", parts->release.keys, parts->release.key_count, NULL);
    for (size_t i = 0; i < parts->operator_count; i++) {
        show_key(context, json, operator_role_name(parts->operators[i].role),
                 &parts->operators[i].key, NULL);
    }
    show_keys(context, json, "coordinator", parts->coordinators, parts->coordinator_count, NULL);
    json_array_end(json);
}

static void show_head(CommandContext *context, JsonWriter *json, const Trust *trust)
{
    const TrustParts *parts = trust_parts(trust);
    char fleet[UUID_TEXT_SIZE];
    char created[TIME_TEXT_SIZE];
    char expires[TIME_TEXT_SIZE] = "never";
    char digest[DIGEST_TEXT_SIZE];
    Digest payload = trust_digest(trust);
    uuid_format(&parts->fleet_id, fleet);
    digest_format(&payload, digest);
    time_format_rfc3339(parts->created_unix_ms, created);
    if (parts->expires_unix_ms != 0) {
        time_format_rfc3339(parts->expires_unix_ms, expires);
    }
    say(context, "fleet    %s", fleet);
    say(context, "version  %llu", (unsigned long long)parts->version);
    say(context, "digest   %s", digest);
    say(context, "made     %s", created);
    say(context, "expires  %s%s", expires,
        trust_is_expired(trust, clock_unix_ms()) ? " (expired)" : "");
    say(context, "root     %u of %zu must sign this file", parts->root.threshold,
        parts->root.key_count);
    say(context, "release  %u of %zu must sign a bundle", parts->release.threshold,
        parts->release.key_count);
    json_field_string(json, "fleet", fleet);
    json_field_uint(json, "version", parts->version);
    json_field_string(json, "digest", digest);
    json_field_time(json, "created", parts->created_unix_ms);
    json_field_time(json, "expires", parts->expires_unix_ms);
    json_field_bool(json, "expired", trust_is_expired(trust, clock_unix_ms()));
    json_field_uint(json, "root_threshold", parts->root.threshold);
    json_field_uint(json, "release_threshold", parts->release.threshold);
}

static ErrCode run_show(CommandContext *context, Error *err)
{
    const char *path = context_argument(context, 0);
    AUTO_TRUST Trust *trust = NULL;
    Signers signers;
    uint8_t *bytes;
    size_t length;
    ErrCode code =
        file_read_all(context->arena, path, LIMIT_TRUST_FILE_BYTES, &bytes, &length, err);
    if (code == ERR_OK) {
        code = trust_open_unverified(bytes, length, &trust, &signers, err);
    }
    if (code != ERR_OK) {
        return code;
    }
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    show_head(context, &json, trust);
    show_all_keys(context, &json, trust_parts(trust), &signers);
    say_threshold(context, trust, &signers);
    json_field_uint(&json, "signatures", signers.count);
    json_field_bool(&json, "complete", trust_root_threshold_met(trust, &signers, NULL) == ERR_OK);
    json_object_end(&json);
    return ERR_OK;
}

/* --- table ------------------------------------------------------------------------------------ */

static const CommandOption init_options[] = {
    {"root", 0, "FILE.pub", "a root key; give it once for each"},
    {"root-threshold", 0, "N", "root keys that must sign (default: more than half)"},
    {"release", 0, "FILE.pub", "a release key, which signs bundles; once for each"},
    {"release-threshold", 0, "N", "release keys that must sign (default: more than half)"},
    {"operator", 0, "NAME:ROLE:FILE.pub", "viewer, operator, approver or admin (or FILE.pub=ROLE)"},
    {"coordinator", 0, "FILE.pub", "a coordinator's key; once for each"},
    {"fleet", 0, "UUID", "the fleet's id (default: a new one)"},
    {"replaces", 0, "FILE", "make the next version of this trust file"},
    {"expires", 0, "DURATION", "how long it is good for (default: no end)"},
    {"sign", 0, "FILE.key", "sign with this key; once for each"},
    {"passphrase-file", 0, "FILE", "the keys' passphrase (PGTIDE_KEY_PASSPHRASE_FILE)"},
    {"output", 'o', "FILE", "where to write it (default: trust)"},
    {0},
};

static const CommandOption sign_options[] = {
    {"key", 'k', "FILE.key", "sign with this key (PGTIDE_KEY); once for each"},
    {"passphrase-file", 0, "FILE", "the key's passphrase (PGTIDE_KEY_PASSPHRASE_FILE)"},
    {0},
};

const CliCommand cmd_trust_init = {
    .words = "trust init",
    .arguments = "",
    .summary = "make a trust file: which keys hold which role",
    .details = "The trust file is installed by hand on the coordinator and on every agent. To "
               "change it, make the\nnext version with --replaces and have it signed by as many "
               "root keys of the old one and of\nthe new one as each asks for.",
    .options = init_options,
    .run = run_init,
};

const CliCommand cmd_trust_sign = {
    .words = "trust sign",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "add a root key's signature to a trust file",
    .options = sign_options,
    .run = run_sign,
};

const CliCommand cmd_trust_show = {
    .words = "trust show",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "show a trust file's keys and who has signed it",
    .run = run_show,
};
