#include "bundle.h"
#include "command.h"
#include "project.h"

#include "clock.h"
#include "file.h"
#include "named_limits.h"

#include <stdlib.h>
#include <string.h>

static ErrCode trust_read(CommandContext *context, Trust **ret_trust, Error *err)
{
    const char *path = context_option(context, "trust");
    if (path == NULL)
        path = getenv("PGTIDE_TRUST");
    if (path == NULL) {
        err_set(err, ERR_USAGE, "no trust file given");
        err_hint(err, "Say --trust FILE or set PGTIDE_TRUST.");
        return ERR_USAGE;
    }
    return trust_load(path, clock_unix_ms(), ret_trust, err);
}

static ErrCode bundle_read(CommandContext *context, uint8_t **ret_bytes, size_t *ret_length,
                           Error *err)
{
    return file_read_all(context->arena, context_argument(context, 0), LIMIT_BUNDLE_BYTES,
                         ret_bytes, ret_length, err);
}

static void bundle_tell(CommandContext *context, const Bundle *bundle, size_t signatures,
                        bool verified)
{
    char digest[DIGEST_TEXT_SIZE];
    digest_format(&bundle->digest, digest);
    StrList heads = graph_heads(context->arena, bundle->map);
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "name", bundle->name);
    json_field_string(&json, "digest", digest);
    json_field_uint(&json, "revisions", graph_count(bundle->map));
    json_field_uint(&json, "baselines", bundle->script_count - graph_count(bundle->map));
    json_field_uint(&json, "safe_statements", bundle->safe.count);
    json_field_strings(&json, "heads", &heads);
    json_field_uint(&json, "signatures", signatures);
    json_field_bool(&json, "verified", verified);
    json_field_time(&json, "created", bundle->created_unix_ms);
    json_object_end(&json);
    say(context, "bundle %s: %zu revisions, head %s, %zu signature%s%s", bundle->name,
        graph_count(bundle->map), strlist_join(context->arena, &heads, ", "), signatures,
        signatures == 1 ? "" : "s", verified ? " verified" : "");
    if (bundle->safe.count > 0)
        say(context, "%zu safe statement%s", bundle->safe.count,
            bundle->safe.count == 1 ? "" : "s");
    say(context, "digest %s", digest);
}

static size_t repeatables_drop(Script **scripts, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (scripts[i]->kind != SCRIPT_REPEATABLE)
            scripts[kept++] = scripts[i];
    }
    return kept;
}

/* The directory may be missing: version control keeps no empty ones. */
static ErrCode safe_load(CommandContext *context, const Project *project, SafeFiles *ret_files,
                         Error *err)
{
    *ret_files = (SafeFiles){0};
    return project->safe != NULL && dir_exists(project->safe)
               ? safe_files_load(context->arena, project->safe, ret_files, err)
               : ERR_OK;
}

static ErrCode run_build(CommandContext *context, Error *err)
{
    Project project;
    RevisionMap *map;
    Script **scripts;
    size_t count;
    SafeFiles safe;
    ErrCode code = project_open(context->arena, context->config, &project, &map, err);
    if (code == ERR_OK)
        code = project_scripts(context->arena, &project, &scripts, &count, err);
    if (code == ERR_OK)
        code = safe_load(context, &project, &safe, err);
    if (code != ERR_OK)
        return code;
    if (context_has(context, "without-repeatables"))
        count = repeatables_drop(scripts, count);
    if (graph_count(map) == 0)
        return err_set(err, ERR_NOT_FOUND, "the project has no revisions");
    const char *name = context_option(context, "name");
    if (name == NULL)
        name = "bundle";
    const char *path = context_option(context, "output");
    if (path == NULL)
        path = arena_printf(context->arena, "%s.bundle", name);
    uint8_t *bytes;
    size_t length;
    code = bundle_build(context->arena, name, clock_unix_ms(), scripts, count, &safe, &bytes,
                        &length, err);
    if (code == ERR_OK)
        code = file_write_new(path, bytes, length, 0666, err);
    Bundle bundle;
    size_t signatures;
    if (code == ERR_OK)
        code = bundle_open_unverified(context->arena, bytes, length, &bundle, &signatures, err);
    if (code != ERR_OK)
        return code;
    bundle_tell(context, &bundle, signatures, false);
    say(context, "written to %s; sign it with `pgtide bundle sign %s --key RELEASE.key`", path,
        path);
    return ERR_OK;
}

static ErrCode run_sign(CommandContext *context, Error *err)
{
    const char *key_path = context_option(context, "key");
    if (key_path == NULL)
        key_path = getenv("PGTIDE_KEY");
    if (key_path == NULL) {
        err_set(err, ERR_USAGE, "no key given");
        err_hint(err, "Say --key FILE or set PGTIDE_KEY.");
        return ERR_USAGE;
    }
    AUTO_KEY SecretKey *key = NULL;
    uint8_t *bytes;
    size_t length;
    ErrCode code = key_load(key_path, NULL, &key, err);
    if (code == ERR_OK)
        code = bundle_read(context, &bytes, &length, err);
    if (code == ERR_OK)
        code = bundle_sign(context->arena, bytes, length, key, &bytes, &length, err);
    if (code == ERR_OK)
        code = file_write_atomic(context_argument(context, 0), bytes, length, 0666, err);
    Bundle bundle;
    size_t signatures;
    if (code == ERR_OK)
        code = bundle_open_unverified(context->arena, bytes, length, &bundle, &signatures, err);
    if (code == ERR_OK)
        bundle_tell(context, &bundle, signatures, false);
    return code;
}

static ErrCode run_verify(CommandContext *context, Error *err)
{
    AUTO_TRUST Trust *trust = NULL;
    uint8_t *bytes;
    size_t length;
    Bundle bundle;
    ErrCode code = trust_read(context, &trust, err);
    if (code == ERR_OK)
        code = bundle_read(context, &bytes, &length, err);
    if (code == ERR_OK)
        code = bundle_open(context->arena, bytes, length, trust, &bundle, err);
    if (code == ERR_OK)
        bundle_tell(context, &bundle, bundle.signers.count, true);
    return code;
}

static ErrCode run_show(CommandContext *context, Error *err)
{
    uint8_t *bytes;
    size_t length;
    Bundle bundle;
    size_t signatures;
    ErrCode code = bundle_read(context, &bytes, &length, err);
    if (code == ERR_OK)
        code = bundle_open_unverified(context->arena, bytes, length, &bundle, &signatures, err);
    if (code != ERR_OK)
        return code;
    bundle_tell(context, &bundle, signatures, false);
    const Script **scripts;
    size_t count;
    graph_newest_first(context->arena, bundle.map, &scripts, &count);
    for (size_t i = 0; i < count; i++)
        say(context, "  %s%s%s", scripts[i]->id, scripts[i]->message[0] == '\0' ? "" : ": ",
            scripts[i]->message);
    return ERR_OK;
}

static const CommandOption build_options[] = {
    {"name", 0, "NAME", "the bundle's name (default: bundle)"},
    {"output", 'o', "FILE", "where to (default: NAME.bundle); never over a file that is there"},
    {"without-repeatables", 0, NULL, "leave out the repeatable files, which a fleet does not run"},
    {0},
};
static const CommandOption sign_options[] = {
    {"key", 0, "FILE", "the release key (PGTIDE_KEY)"},
    {0},
};
static const CommandOption verify_options[] = {
    {"trust", 0, "FILE", "the trust file (PGTIDE_TRUST)"},
    {0},
};

const CliCommand cmd_bundle_build = {
    .words = "bundle build",
    .arguments = "",
    .summary = "pack the project's revisions into one file, unsigned",
    .options = build_options,
    .run = run_build,
};
const CliCommand cmd_bundle_sign = {
    .words = "bundle sign",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "add a release key's signature",
    .options = sign_options,
    .run = run_sign,
};
const CliCommand cmd_bundle_verify = {
    .words = "bundle verify",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "check signatures and every file's digest",
    .options = verify_options,
    .run = run_verify,
};
const CliCommand cmd_bundle_show = {
    .words = "bundle show",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "show what a bundle holds, without trusting it",
    .run = run_show,
};
