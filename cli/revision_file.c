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
#include <unistd.h>

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

static const char *or_empty(const char *text)
{
    return text == NULL ? "" : text;
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
    header_line(out, "transaction", draft->units ? "none" : "");
    header_line(out, "phase", or_empty(draft->phase));
    header_line(out, "when-fingerprint", or_empty(draft->when_fingerprint));
    header_line(out, "irreversible", or_empty(draft->irreversible));
    str_append(out, or_empty(draft->about));
    str_printf(out, "\n-- +upgrade\n%s", or_empty(draft->upgrade));
    if (draft->irreversible == NULL)
        str_printf(out, "\n-- +downgrade\n%s", or_empty(draft->downgrade));
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
static ErrCode graph_with(Arena *arena, const RevisionMap *map, const RevisionFile *file,
                          RevisionMap **ret_map, Error *err)
{
    size_t count = graph_count(map);
    Script **scripts = ARENA_ARRAY(arena, Script *, count + 1);
    for (size_t i = 0; i < count; i++)
        scripts[i] = arena_memdup(arena, graph_script_at(map, i), sizeof **scripts);
    ErrCode code = script_parse(arena, file->path, (const uint8_t *)file->text, strlen(file->text),
                                &scripts[count], err);
    return code == ERR_OK ? graph_build(arena, scripts, count + 1, ret_map, err) : code;
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

ErrCode revision_file_make(CommandContext *context, const Project *project, const RevisionMap *map,
                           const RevisionDraft *draft, RevisionFile *ret_file,
                           RevisionMap **ret_map, Error *err)
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
    AUTO_STR Str text = {0};
    text_make(context->arena, draft, id, &text);
    const RevisionFile file = {.id = id,
                               .path = path_join(context->arena, dir, name),
                               .text = arena_strdup(context->arena, str_text(&text)),
                               .parents = draft->parents};
    code = graph_with(context->arena, map, &file, ret_map, err);
    if (code == ERR_OK)
        *ret_file = file;
    return code;
}

ErrCode revision_files_write(const RevisionFile *files, size_t count, Error *err)
{
    ErrCode code = ERR_OK;
    size_t written = 0;
    while (written < count && code == ERR_OK) {
        const RevisionFile *file = &files[written];
        code = file_write_new(file->path, file->text, strlen(file->text), 0666, err);
        written += code == ERR_OK;
    }
    while (code != ERR_OK && written > 0)
        (void)unlink(files[--written].path);
    return code;
}

void revision_file_json(JsonWriter *json, const RevisionFile *file)
{
    json_field_string(json, "revision", file->id);
    json_field_string(json, "file", file->path);
    json_field_strings(json, "revises", &file->parents);
}

ErrCode revision_file_write(CommandContext *context, const Project *project, const RevisionMap *map,
                            const RevisionDraft *draft, Error *err)
{
    RevisionFile file;
    RevisionMap *with_it;
    ErrCode code = revision_file_make(context, project, map, draft, &file, &with_it, err);
    if (code == ERR_OK)
        code = revision_files_write(&file, 1, err);
    if (code != ERR_OK)
        return code;
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    revision_file_json(&json, &file);
    json_object_end(&json);
    say(context, "%s", file.path);
    return ERR_OK;
}
