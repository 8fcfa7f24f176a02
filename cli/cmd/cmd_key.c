/*
 * key new, key show: key files are made and looked at on the machine of whoever holds them.
 */
#include "command.h"
#include "file.h"
#include "key.h"

#include <string.h>

static void show_key(CommandContext *context, const PublicKeyInfo *key, const char *key_path,
                     const char *pub_path)
{
    char ed25519[2 * KEY_BYTES + 1];
    char curve[CURVE_TEXT_SIZE] = "";
    hex_encode(key->ed25519, KEY_BYTES, ed25519);
    if (key->has_curve) {
        curve_format(key->curve, curve);
    }
    say(context, "name     %s", key->name);
    say(context, "key id   %s", key->keyid);
    say(context, "ed25519  %s", ed25519);
    say(context, "curve    %s", key->has_curve ? curve : "-");
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "name", key->name);
    json_field_string(&json, "keyid", key->keyid);
    json_field_string(&json, "ed25519", ed25519);
    json_field_string(&json, "curve", key->has_curve ? curve : NULL);
    if (key_path != NULL) {
        json_field_string(&json, "key", key_path);
    }
    if (pub_path != NULL) {
        json_field_string(&json, "pub", pub_path);
    }
    json_object_end(&json);
}

static ErrCode run_new(CommandContext *context, Error *err)
{
    const char *name = context_argument(context, 0);
    const char *directory = context_option(context, "dir");
    AUTO_KEY SecretKey *key = NULL;
    ErrCode code = key_generate(name, &key, err);
    if (code != ERR_OK) {
        return code;
    }
    if (directory == NULL) {
        directory = ".";
    }
    code = dir_make(directory, 0700, err);
    if (code != ERR_OK) {
        return code;
    }
    char *key_path =
        path_join(context->arena, directory, arena_printf(context->arena, "%s.key", name));
    char *pub_path =
        path_join(context->arena, directory, arena_printf(context->arena, "%s.pub", name));
    if (file_exists(pub_path)) {
        return err_set(err, ERR_EXISTS, "%s exists", pub_path);
    }
    code = key_save(key, key_path, context_option(context, "passphrase-file"), err);
    if (code == ERR_OK) {
        code = public_key_save(key_public(key), pub_path, err);
    }
    if (code != ERR_OK) {
        return code;
    }
    say(context, "made %s (secret: keep it) and %s (give it away)", key_path, pub_path);
    show_key(context, key_public(key), key_path, pub_path);
    return ERR_OK;
}

static ErrCode run_show(CommandContext *context, Error *err)
{
    const char *path = context_argument(context, 0);
    if (str_ends_with(path, ".key")) {
        AUTO_KEY SecretKey *key = NULL;
        ErrCode code = key_load(path, context_option(context, "passphrase-file"), &key, err);
        if (code == ERR_OK) {
            show_key(context, key_public(key), path, NULL);
        }
        return code;
    }
    PublicKeyInfo key;
    ErrCode code = public_key_load(path, &key, err);
    if (code == ERR_OK) {
        show_key(context, &key, NULL, path);
    }
    return code;
}

static const CommandOption new_options[] = {
    {"dir", 'd', "DIR", "where to write NAME.key and NAME.pub (default: here)"},
    {"passphrase-file", 0, "FILE", "encrypt with the passphrase on this file's first line"},
    {0},
};

static const CommandOption show_options[] = {
    {"passphrase-file", 0, "FILE", "the passphrase (PGTIDE_KEY_PASSPHRASE_FILE)"},
    {0},
};

const CliCommand cmd_key_new = {
    .words = "key new",
    .arguments = "NAME",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "make a key: NAME.key, secret, and NAME.pub",
    .details = "One key signs (Ed25519) and opens connections (CURVE). NAME.key is readable by its "
               "owner only and\nis never overwritten. What the key may do is said by the trust "
               "file, by its public half.",
    .options = new_options,
    .run = run_new,
};

const CliCommand cmd_key_show = {
    .words = "key show",
    .arguments = "FILE",
    .arguments_min = 1,
    .arguments_max = 1,
    .summary = "show the public half of a key file",
    .options = show_options,
    .run = run_show,
};
