/*
 * Alembic: Python files that say what they revise. The user's own interpreter renders them as SQL,
 * both ways, by Alembic's offline mode (alembic_render.py); here its answers, one JSON object a
 * line, become revisions. A revision that reads from the database can't be rendered: its upgrade
 * then fails with the reason, so that it can't be passed over in silence. Ids stay as they are
 * wherever they can, because both programs use the same version table.
 */
#include "alembic_render.h"
#include "child_lines.h"
#include "import.h"

#include "file.h"
#include "graph.h"
#include "named_limits.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

typedef struct Place {
    const char *directory; /* where Alembic runs */
    const char *ini;       /* relative to it; NULL = none */
} Place;

typedef struct Reader {
    Import *import;
    Place place;
    bool ended;
} Reader;

/* --- where ------------------------------------------------------------------------------------ */

static bool file_mentions(Arena *arena, const char *file, const char *text)
{
    uint8_t *bytes;
    size_t length;
    return file_read_all(arena, file, LIMIT_CONFIG_FILE_BYTES, &bytes, &length, NULL) == ERR_OK &&
           strstr((const char *)bytes, text) != NULL;
}

static bool is_file(Arena *arena, const char *directory, const char *name)
{
    const char *path = path_join(arena, directory, name);
    return file_exists(path) && !dir_exists(path);
}

/* An ini file, a project with one, a Flask project, or the directory of env.py. */
static bool place_find(Arena *arena, const char *path, const char *ini, Place *ret)
{
    Place place = {.directory = path};
    if (!dir_exists(path)) {
        if (!str_ends_with(path, ".ini") || !file_mentions(arena, path, "script_location"))
            return false;
        place.directory = path_dirname(arena, path);
        place.ini = path_basename(path);
    } else if (ini != NULL) {
        place.ini = ini;
    } else if (is_file(arena, path, "alembic.ini")) {
        place.ini = "alembic.ini";
    } else if (is_file(arena, path, "migrations/alembic.ini")) {
        place.ini = "migrations/alembic.ini";
    } else if (!(is_file(arena, path, "env.py") &&
                 dir_exists(path_join(arena, path, "versions"))) &&
               !file_mentions(arena, path_join(arena, path, "pyproject.toml"), "[tool.alembic]")) {
        return false;
    }
    *ret = place;
    return true;
}

static bool recognise(Arena *arena, const char *path)
{
    Place place;
    return place_find(arena, path, NULL, &place);
}

/* --- answers ---------------------------------------------------------------------------------- */

static const char *text_of(Arena *arena, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text == NULL ? "" : arena_strdup(arena, text);
}

static StrList texts_of(Arena *arena, const json_t *object, const char *key)
{
    const json_t *array = json_object_get(object, key);
    StrList list = {0};
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text != NULL)
            strlist_add(arena, &list, text);
    }
    return list;
}

/* Each line as a comment that can't be taken for a marker. */
static void comment_append(Str *out, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        bool marker = text[strspn(text, " \t")] == '+';
        str_append(out, marker ? "-- | " : "-- ");
        str_append_bytes(out, text, length);
        str_append_char(out, '\n');
        text += length + (text[length] == '\n');
    }
}

static void literal_append(Str *out, const char *text)
{
    str_append_char(out, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            str_append_char(out, '\'');
        str_append_char(out, *text == '$' ? '_' : *text); /* it stands within dollar quotes */
    }
    str_append_char(out, '\'');
}

static const char *unrendered(Arena *arena, const char *what, const char *why, const char *before)
{
    AUTO_STR Str out = {0};
    str_append(&out,
               "-- This could not be rendered as SQL. Write it by hand and take the statement "
               "below out;\n-- if it only moves data that a new database does not have, "
               "taking it out is enough.\n"
               "DO $unrendered$ BEGIN\nRAISE EXCEPTION USING\n    MESSAGE = ");
    literal_append(&out, arena_printf(arena, "%s could not be rendered as SQL", what));
    str_append(&out, ",\n    DETAIL = ");
    literal_append(&out, why);
    str_append(&out, ",\n    HINT = 'Write the SQL of this revision by hand.';\n"
                     "END $unrendered$;\n");
    if (before[0] != '\0') {
        str_append(&out, "\n-- What it had said before that:\n");
        comment_append(&out, before);
    }
    return arena_strdup(arena, str_text(&out));
}

static void upgrade_read(Reader *reader, ImportedRevision *item, const json_t *up,
                         const char *remarks)
{
    Arena *arena = reader->import->arena;
    const json_t *error = json_object_get(up, "error");
    const char *sql = text_of(arena, up, "sql");
    item->no_transaction = json_is_true(json_object_get(up, "commits"));
    if (json_is_object(error)) {
        int line = (int)json_integer_value(json_object_get(error, "line"));
        const char *why = text_of(arena, error, "message");
        import_problem(reader->import, item->file, line,
                       "upgrade() was not rendered, and fails until its SQL is written by hand: %s",
                       why);
        item->no_transaction = false;
        sql = unrendered(arena,
                         line > 0 ? arena_printf(arena, "%s:%d", item->file, line) : item->file,
                         why, sql);
    }
    AUTO_STR Str out = {0};
    comment_append(&out, remarks);
    if (remarks[0] != '\0')
        str_append_char(&out, '\n');
    str_append(&out, sql);
    item->up = arena_strdup(arena, str_text(&out));
}

/* A downgrade that Alembic could not run either is no fault of the import's. */
static void downgrade_read(Reader *reader, ImportedRevision *item, const json_t *down)
{
    Arena *arena = reader->import->arena;
    const json_t *error = json_object_get(down, "error");
    item->down_no_transaction = json_is_true(json_object_get(down, "commits"));
    if (!json_is_object(error)) {
        item->down = text_of(arena, down, "sql");
        return;
    }
    int line = (int)json_integer_value(json_object_get(error, "line"));
    const char *why = text_of(arena, error, "message");
    item->down = NULL;
    item->down_no_transaction = false;
    item->irreversible = why;
    if (json_is_true(json_object_get(error, "database")))
        import_problem(reader->import, item->file, line, "downgrade() was not rendered: %s", why);
    else if (!json_is_true(json_object_get(error, "on_purpose")))
        import_note(reader->import, item->file, line, "downgrade() fails by itself: %s", why);
}

static void revision_read(Reader *reader, const json_t *revision)
{
    Import *import = reader->import;
    Arena *arena = import->arena;
    ImportedRevision *item = import_add(import);
    item->id = text_of(arena, revision, "id");
    item->origin_key = item->id;
    item->file = path_join(arena, reader->place.directory, text_of(arena, revision, "file"));
    item->parents = texts_of(arena, revision, "down_revisions");
    item->depends_on = texts_of(arena, revision, "depends_on");
    item->labels = texts_of(arena, revision, "labels");
    item->message = text_of(arena, revision, "message");
    item->created = text_of(arena, revision, "created");
    upgrade_read(reader, item, json_object_get(revision, "up"),
                 text_of(arena, revision, "remarks"));
    downgrade_read(reader, item, json_object_get(revision, "down"));
    if (json_is_true(json_object_get(json_object_get(revision, "up"), "reads")) ||
        json_is_true(json_object_get(json_object_get(revision, "down"), "reads")))
        import_note(import, item->file, 0,
                    "reads rows: rendered for tables without any, as in a new database");
    if (json_is_true(json_object_get(revision, "asks_offline")))
        import_note(import, item->file, 0,
                    "asks whether Alembic is offline: what it does online may be something else");
}

static ErrCode failed_read(Reader *reader, const json_t *failed, Error *err)
{
    Arena *arena = reader->import->arena;
    const char *file = text_of(arena, failed, "file");
    const char *hint = text_of(arena, failed, "hint");
    err_set(err, ERR_CONFIG, "%s", text_of(arena, failed, "message"));
    if (file[0] != '\0')
        err_at(err, file, (int)json_integer_value(json_object_get(failed, "line")));
    if (hint[0] != '\0')
        err_hint(err, "%s", hint);
    return ERR_CONFIG;
}

static void end_read(Reader *reader, const json_t *end)
{
    Import *import = reader->import;
    Arena *arena = import->arena;
    const char *table = text_of(arena, end, "version_table");
    const char *schema = text_of(arena, end, "version_table_schema");
    const char *dialect = text_of(arena, end, "dialect");
    StrList runs = texts_of(arena, end, "runs");
    reader->ended = true;
    if (table[0] != '\0' && strcmp(table, "alembic_version") != 0)
        import_note(import, import->path, 0,
                    "env.py keeps versions in '%s': say `version-table: %s` in pgtide.yaml", table,
                    table);
    if (schema[0] != '\0')
        import_note(import, import->path, 0,
                    "env.py keeps versions in the schema '%s': say --schema %s wherever the "
                    "database is meant",
                    schema, schema);
    if (dialect[0] != '\0' && strcmp(dialect, "postgresql") != 0)
        import_note(import, import->path, 0, "env.py names %s; rendered for PostgreSQL", dialect);
    if (runs.count > 1)
        import_note(import, import->path, 0,
                    "env.py runs the migrations %zu times (%s): the first was taken, or say "
                    "--option run=N",
                    runs.count, strlist_join(arena, &runs, "; "));
}

static ErrCode answer_read(char *text, size_t length, void *data, Error *err)
{
    Reader *reader = data;
    json_error_t where;
    json_t *answer = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    ErrCode code = ERR_OK;
    const json_t *revision = json_object_get(answer, "revision");
    const json_t *end = json_object_get(answer, "end");
    const json_t *failed = json_object_get(answer, "failed");
    if (json_is_object(revision) && reader->import->count < LIMIT_REVISIONS)
        revision_read(reader, revision);
    else if (json_is_object(revision))
        code = err_set(err, ERR_LIMIT, "more than %d revisions", LIMIT_REVISIONS);
    else if (json_is_object(end))
        end_read(reader, end);
    else if (json_is_object(failed))
        code = failed_read(reader, failed, err);
    else
        code = err_set(err, ERR_CONFIG, "the interpreter answered what can't be read: %.80s", text);
    json_decref(answer);
    return code;
}

/* --- names ------------------------------------------------------------------------------------ */

static const ImportedRevision *item_of(const Import *import, const char *key)
{
    for (size_t i = 0; i < import->count; i++) {
        if (strcmp(import->items[i].origin_key, key) == 0)
            return &import->items[i];
    }
    return NULL;
}

static bool id_is_taken(const Import *import, const char *id)
{
    for (size_t i = 0; i < import->count; i++) {
        if (strcmp(import->items[i].id, id) == 0)
            return true;
    }
    return false;
}

static void ids_make_legal(Import *import)
{
    for (size_t i = 0; i < import->count; i++) {
        ImportedRevision *item = &import->items[i];
        if (revision_id_is_valid(item->id) && !graph_is_reserved(item->id))
            continue;
        const char *id = import_id(import->arena, item->id);
        for (int n = 2; id[0] == '\0' || graph_is_reserved(id) || id_is_taken(import, id); n++)
            id = arena_printf(import->arena, "%s_%d", import_id(import->arena, item->id), n);
        import_note(import, item->file, 0,
                    "revision '%s' is called %s here: `pgtide stamp --from-tool alembic` takes a "
                    "database over",
                    item->id, id);
        item->id = id;
    }
}

/* What the list names as ids of items; an id that is only begun is written out. Labels stay. */
static StrList names_resolve(const Import *import, const StrList *names)
{
    StrList resolved = {0};
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        const ImportedRevision *item = item_of(import, name);
        bool label = false;
        size_t matches = 0;
        for (size_t n = 0; n < import->count && item == NULL; n++)
            label = label || strlist_has(&import->items[n].labels, name);
        const ImportedRevision *match = NULL;
        for (size_t n = 0; n < import->count && item == NULL && !label; n++) {
            if (str_starts_with(import->items[n].origin_key, name)) {
                match = &import->items[n];
                matches++;
            }
        }
        if (matches == 1)
            item = match;
        strlist_add(import->arena, &resolved, item == NULL ? name : item->id);
    }
    return resolved;
}

static void names_check(Import *import)
{
    ids_make_legal(import);
    for (size_t i = 0; i < import->count; i++) {
        ImportedRevision *item = &import->items[i];
        item->parents = names_resolve(import, &item->parents);
        item->depends_on = names_resolve(import, &item->depends_on);
        StrList labels = {0};
        for (size_t n = 0; n < item->labels.count; n++) {
            const char *label = item->labels.items[n];
            if (!revision_id_is_valid(label))
                import_note(import, item->file, 0, "the label '%s' is called %s here", label,
                            import_id(import->arena, label));
            strlist_add(import->arena, &labels, import_id(import->arena, label));
        }
        item->labels = labels;
    }
}

/* --- the child -------------------------------------------------------------------------------- */

static const char *const options[] = {"python", "ini",   "section", "url", "env",
                                      "run",    "reads", "x",       NULL};

static ErrCode options_check(const Import *import, Error *err)
{
    const char *env = import_option(import, "env");
    const char *run = import_option(import, "run");
    const char *reads = import_option(import, "reads");
    if (env != NULL && strcmp(env, "run") != 0 && strcmp(env, "none") != 0)
        return err_set(err, ERR_USAGE, "--option env: run or none, not '%.40s'", env);
    if (reads != NULL && strcmp(reads, "refuse") != 0 && strcmp(reads, "empty") != 0)
        return err_set(err, ERR_USAGE, "--option reads: refuse or empty, not '%.40s'", reads);
    if (run != NULL && (strlen(run) == 0 || strlen(run) > 3 ||
                        strspn(run, "0123456789") != strlen(run) || run[0] == '0'))
        return err_set(err, ERR_USAGE, "--option run: 1 to 999, not '%.40s'", run);
    return ERR_OK;
}

/* PATH's own names are sought from here, not from where the child runs. */
static const char *interpreter(const Import *import)
{
    const char *python = import_option(import, "python");
    char here[4096];
    if (python == NULL)
        return "python3";
    if (strchr(python, '/') == NULL || getcwd(here, sizeof here) == NULL)
        return python;
    return path_join(import->arena, here, python);
}

static ErrCode render(Reader *reader, Error *err)
{
    Import *import = reader->import;
    Arena *arena = import->arena;
    StrList argv = {0};
    strlist_add(arena, &argv, interpreter(import));
    strlist_add(arena, &argv, "-B"); /* the project is only read */
    strlist_add(arena, &argv, "-c");
    strlist_add(arena, &argv, alembic_render);
    if (reader->place.ini != NULL)
        strlist_add(arena, &argv, arena_printf(arena, "ini=%s", reader->place.ini));
    for (size_t i = 0; i < import->options.count; i++) {
        const char *option = import->options.items[i];
        if (!str_starts_with(option, "python=") && !str_starts_with(option, "ini="))
            strlist_add(arena, &argv, option);
    }
    const char **terminated = ARENA_ARRAY(arena, const char *, argv.count + 1);
    memcpy(terminated, argv.items, argv.count * sizeof *terminated);
    ChildLines child = {
        .argv = terminated,
        .directory = reader->place.directory,
        .line_bytes_max = LIMIT_IMPORT_ANSWER_BYTES,
        .output_bytes_max = LIMIT_IMPORT_ANSWERS_BYTES,
        .silence_ms_max = LIMIT_IMPORT_SILENCE_MS,
        .line = answer_read,
        .data = reader,
    };
    ChildEnd end = {0};
    ErrCode code = child_lines_run(&child, &end, err);
    if (code == ERR_NOT_FOUND)
        err_hint(err,
                 "Say --option python=PATH for the interpreter that has the project's Alembic.");
    if (code == ERR_OK && (!reader->ended || end.exit_status != 0))
        code = err_set(err, ERR_CONFIG, "%.120s did not render the project (exit status %d)",
                       terminated[0], end.exit_status);
    size_t length = strlen(end.errors);
    if (code != ERR_OK && length > 0)
        err_detail(err, "%s", end.errors + (length > 400 ? length - 400 : 0));
    return code;
}

static ErrCode project_read(Import *import, Error *err)
{
    Reader reader = {.import = import};
    ErrCode code = options_check(import, err);
    if (code != ERR_OK)
        return code;
    if (!place_find(import->arena, import->path, import_option(import, "ini"), &reader.place)) {
        err_set(err, ERR_NOT_FOUND, "no Alembic project in %.200s", import->path);
        err_hint(err,
                 "Name the directory with alembic.ini, or the ini file itself, or say --option "
                 "ini=FILE (relative to PATH, where Alembic runs).");
        return ERR_NOT_FOUND;
    }
    code = render(&reader, err);
    if (code == ERR_OK)
        names_check(import);
    return code;
}

const ImportTool import_tool_alembic = {
    .name = "alembic",
    .summary = "Python revisions, rendered by Alembic's offline mode",
    .options = options,
    .graph = true,
    .recognise = recognise,
    .read = project_read,
    .table = "alembic_version",
    .table_exists_sql =
        "SELECT count(*) = 1 FROM pg_catalog.pg_attribute"
        " WHERE attrelid = pg_catalog.to_regclass('alembic_version') AND NOT attisdropped"
        " AND attname = 'version_num'",
    .applied_sql = "SELECT version_num::text FROM alembic_version",
    .applied_newest_only = true,
};
