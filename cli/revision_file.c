#include "revision_file.h"

#include "clock.h"
#include "digest.h"
#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SLUG_BYTES_MAX = 40, HASH_ID_BYTES = 6 };

/* "Add user bio!" -> "add_user_bio" */
static char *slug_make(Arena *arena, const char *message)
{
    char *slug = arena_alloc(arena, SLUG_BYTES_MAX + 1);
    size_t length = 0;
    for (const char *at = message; *at != '\0' && length < SLUG_BYTES_MAX; at++) {
        if (isalnum((unsigned char)*at))
            slug[length++] = (char)tolower((unsigned char)*at);
        else if (length > 0 && slug[length - 1] != '_')
            slug[length++] = '_';
    }
    while (length > 0 && slug[length - 1] == '_')
        length--;
    slug[length] = '\0';
    return slug;
}

static long sequence_highest(const RevisionMap *map)
{
    long highest = 0;
    for (size_t i = 0; i < graph_count(map); i++) {
        const char *id = graph_script_at(map, i)->id;
        char *end;
        long number = isdigit((unsigned char)id[0]) ? strtol(id, &end, 10) : 0;
        if (number > highest && number < 1000000000 && (*end == '_' || *end == '\0'))
            highest = number;
    }
    return highest;
}

static ErrCode id_make(Arena *arena, const Project *project, const RevisionMap *map,
                       const char *slug, const char **ret_id, Error *err)
{
    if (!project->hash_names) {
        *ret_id = arena_printf(arena, "%03ld%s%s", sequence_highest(map) + 1,
                               slug[0] == '\0' ? "" : "_", slug);
        return ERR_OK;
    }
    uint8_t bytes[HASH_ID_BYTES];
    if (!secure_random(bytes, sizeof bytes))
        return err_set(err, ERR_IO, "no random numbers from the system");
    char *id = arena_alloc(arena, 2 * sizeof bytes + 1);
    hex_encode(bytes, sizeof bytes, id);
    *ret_id = id;
    return ERR_OK;
}

ErrCode revision_id_make(Arena *arena, const Project *project, const RevisionMap *map,
                         const char *message, const char **ret_id, Error *err)
{
    return id_make(arena, project, map, slug_make(arena, message), ret_id, err);
}

static void header_line(Str *out, const char *key, const char *value)
{
    if (value[0] != '\0')
        str_printf(out, "-- %s: %s\n", key, value);
}

static void text_make(Arena *arena, const RevisionDraft *draft, const char *id, Str *out)
{
    char created[32];
    time_t now = (time_t)(clock_unix_ms() / 1000);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(created, sizeof created, "%Y-%m-%d %H:%M:%S UTC", &utc);
    header_line(out, "revision", id);
    header_line(out, "revises", strlist_join(arena, &draft->parents, ", "));
    header_line(out, "depends-on", strlist_join(arena, &draft->depends_on, ", "));
    header_line(out, "labels", strlist_join(arena, &draft->labels, ", "));
    header_line(out, "created", created);
    header_line(out, "message", draft->message);
    str_append(out, "\n-- +upgrade\n\n-- +downgrade\n");
    if (!draft->merge)
        str_append(out, "\n-- +verify\n");
}

ErrCode revision_add_parent(CommandContext *context, const RevisionMap *map, const char *given,
                            StrList *parents, Error *err)
{
    const char *id;
    ErrCode code = graph_resolve_one(context->arena, map, given, &id, err);
    if (code != ERR_OK)
        return code;
    StrList children = graph_children(context->arena, map, id);
    if (children.count > 0 && !context_has(context, "splice")) {
        err_set(err, ERR_TARGET, "revision %s is not a head revision", id);
        err_hint(err, "Say --splice to begin a new branch at it.");
        return ERR_TARGET;
    }
    if (!strlist_has(parents, id))
        strlist_add(context->arena, parents, id);
    return ERR_OK;
}

/* The new file beside those that are there: labels, parents and all must fit. */
static ErrCode graph_check(Arena *arena, const RevisionMap *map, const char *path, const Str *text,
                           Error *err)
{
    size_t count = graph_count(map);
    Script **scripts = ARENA_ARRAY(arena, Script *, count + 1);
    for (size_t i = 0; i < count; i++)
        scripts[i] = arena_memdup(arena, graph_script_at(map, i), sizeof **scripts);
    ErrCode code = script_parse(arena, path, (const uint8_t *)str_text(text), text->length,
                                &scripts[count], err);
    RevisionMap *with_it;
    return code == ERR_OK ? graph_build(arena, scripts, count + 1, &with_it, err) : code;
}

/* Where it goes: the directory asked for, else the one its first parent is in. */
static ErrCode directory_choose(Arena *arena, const Project *project, const RevisionMap *map,
                                const RevisionDraft *draft, const char **ret_directory, Error *err)
{
    const StrList *versions = &project->versions;
    if (draft->version_path == NULL) {
        const Script *parent =
            draft->parents.count == 0 ? NULL : graph_find(map, draft->parents.items[0]);
        *ret_directory = parent == NULL ? versions->items[versions->count - 1]
                                        : path_dirname(arena, parent->file);
        return ERR_OK;
    }
    for (size_t i = 0; i < versions->count; i++) {
        struct stat asked;
        struct stat known;
        if (stat(draft->version_path, &asked) == 0 && stat(versions->items[i], &known) == 0 &&
            asked.st_dev == known.st_dev && asked.st_ino == known.st_ino) {
            *ret_directory = versions->items[i];
            return ERR_OK;
        }
    }
    err_set(err, ERR_NOT_FOUND, "%s is none of the project's directories of revisions",
            draft->version_path);
    err_detail(err, "they are: %s", strlist_join(arena, versions, ", "));
    err_hint(err, "Make the directory and add it to `versions` in %.120s.", project->config_file);
    return ERR_NOT_FOUND;
}

ErrCode revision_file_write(CommandContext *context, const Project *project, const RevisionMap *map,
                            const RevisionDraft *draft, Error *err)
{
    for (const char *at = draft->message; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20)
            return err_set(err, ERR_USAGE, "a message is one line of text");
    }
    const char *slug = slug_make(context->arena, draft->message);
    const char *id = draft->id;
    if (id == NULL) {
        ErrCode code = id_make(context->arena, project, map, slug, &id, err);
        if (code != ERR_OK)
            return code;
    }
    if (!revision_id_is_valid(id)) {
        err_set(err, ERR_USAGE, "'%s' can't be a revision id", id);
        err_hint(err, "Use letters, digits, '_' and '.', at most %d of them.",
                 LIMIT_REVISION_ID_BYTES);
        return ERR_USAGE;
    }
    if (graph_find(map, id) != NULL)
        return err_set(err, ERR_EXISTS, "revision '%s' is there already (%s)", id,
                       graph_find(map, id)->file);
    bool slug_in_id = slug[0] == '\0' || str_ends_with(id, slug);
    const char *name = arena_printf(context->arena, "%s%s%s.sql", id, slug_in_id ? "" : "_",
                                    slug_in_id ? "" : slug);
    const char *dir;
    ErrCode code = directory_choose(context->arena, project, map, draft, &dir, err);
    if (code != ERR_OK)
        return code;
    const char *path = path_join(context->arena, dir, name);
    AUTO_STR Str text = {0};
    text_make(context->arena, draft, id, &text);
    code = graph_check(context->arena, map, path, &text, err);
    if (code == ERR_OK)
        code = file_write_new(path, text.data, text.length, 0666, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_string(&json, "revision", id);
    json_field_string(&json, "file", path);
    json_field_strings(&json, "revises", &draft->parents);
    json_object_end(&json);
    say(context, "%s", path);
    return ERR_OK;
}
