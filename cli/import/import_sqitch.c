/*
 * Sqitch: a plan of changes and tags, and a deploy, revert and verify script for each change. The
 * order of the plan is the order of the revisions; what a change requires stands before it in the
 * plan, so nothing else is needed of it. A change that stands twice was reworked: the scripts of
 * the earlier one bear the name of a tag between the two. Tags become labels of the change they
 * follow, so that `pgtide upgrade v1.0` goes to that tag.
 *
 * The table knows changes by name; of a reworked one the n-th row is the n-th in the plan, because
 * Sqitch deploys in its order. Keys are "project:change", then "project:change#2".
 */
#include "sqitch_config.h"

#include "file.h"
#include "graph.h"
#include "named_limits.h"

#include <ctype.h>
#include <string.h>

typedef struct Change {
    const char *name;
    int line; /* in the plan */
    const char *note;
    const char *created;
    StrList requires;
    StrList conflicts;
    StrList tags; /* that follow it directly */
    size_t nth;   /* of this name, from 1 */
    size_t next;  /* index of the one that reworks it; 0 = none */
} Change;

typedef struct Reader {
    Import *import;
    SqitchConfig config;
    const char *project;
    Change *changes;
    size_t count;
    size_t capacity;
    StrList labels; /* given so far */
} Reader;

/* --- the plan --------------------------------------------------------------------------------- */

static ErrCode fail(const Reader *reader, int line, Error *err)
{
    err_at(err, reader->config.plan_file, line);
    return ERR_CONFIG;
}

/* "2012-07-16T17:25:07Z" -> "2012-07-16 17:25:07 UTC"; NULL when it is none. */
static const char *timestamp_read(Arena *arena, const char *text)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    for (size_t i = 0; i < sizeof form - 1; i++) {
        bool fits = form[i] == '0' ? isdigit((unsigned char)text[i]) != 0 : text[i] == form[i];
        if (!fits)
            return NULL;
    }
    return arena_printf(arena, "%.10s %.8s UTC", text, text + 11);
}

/* "a !b c@tag": what stands in the brackets behind a name. */
static void dependencies_read(Arena *arena, const char *text, size_t length, Change *change)
{
    char *rest = arena_strndup(arena, text, length);
    char *word;
    while ((word = strsep(&rest, " \t")) != NULL) {
        if (word[0] == '!')
            strlist_add(arena, &change->conflicts, word + 1);
        else if (word[0] != '\0')
            strlist_add(arena, &change->requires, word);
    }
}

static void change_add(Reader *reader, Change change)
{
    if (reader->count == reader->capacity) {
        size_t capacity = reader->capacity == 0 ? 64 : 2 * reader->capacity;
        reader->changes = arena_grow(reader->import->arena, reader->changes, reader->count,
                                     capacity, sizeof *reader->changes);
        reader->capacity = capacity;
    }
    change.nth = 1;
    for (size_t i = reader->count; i > 0; i--) {
        Change *earlier = &reader->changes[i - 1];
        if (strcmp(earlier->name, change.name) != 0)
            continue;
        change.nth = earlier->nth + 1;
        earlier->next = reader->count;
        break;
    }
    reader->changes[reader->count++] = change;
}

/* What stands behind the name: dependencies, time, planner. */
static ErrCode change_read(Reader *reader, const char *text, int line, const char *note, Error *err)
{
    Arena *arena = reader->import->arena;
    Change change = {.line = line, .note = note};
    size_t length = strcspn(text, " \t");
    change.name = arena_strndup(arena, text, length);
    text += length + strspn(text + length, " \t");
    if (*text == '[') {
        const char *end = strchr(text, ']');
        if (end == NULL) {
            err_set(err, ERR_CONFIG, "the dependencies of '%.80s' have no end", change.name);
            return fail(reader, line, err);
        }
        dependencies_read(arena, text + 1, (size_t)(end - text - 1), &change);
        text = end + 1 + strspn(end + 1, " \t");
    }
    change.created = timestamp_read(arena, text);
    if (change.created == NULL) {
        err_set(err, ERR_CONFIG, "no time behind the change '%.80s'", change.name);
        err_hint(err, "A line of the plan is NAME [DEPENDENCIES] TIME PLANNER <EMAIL> # NOTE.");
        return fail(reader, line, err);
    }
    if (reader->count == LIMIT_REVISIONS) {
        err_set(err, ERR_LIMIT, "more than %d changes", LIMIT_REVISIONS);
        return fail(reader, line, err);
    }
    change_add(reader, change);
    return ERR_OK;
}

static ErrCode tag_read(Reader *reader, const char *text, int line, Error *err)
{
    Arena *arena = reader->import->arena;
    const char *tag = arena_strndup(arena, text, strcspn(text, " \t"));
    if (reader->count == 0) {
        err_set(err, ERR_CONFIG, "the tag @%.80s stands before any change", tag);
        return fail(reader, line, err);
    }
    strlist_add(arena, &reader->changes[reader->count - 1].tags, tag);
    return ERR_OK;
}

/* A note's escapes: a backslash and 'n' is a new line. */
static const char *note_read(Arena *arena, const char *text)
{
    AUTO_STR Str out = {0};
    text += strspn(text, " \t");
    for (; *text != '\0'; text++) {
        bool escape = *text == '\\' && (text[1] == 'n' || text[1] == '\\');
        if (escape)
            text++;
        str_append_char(&out, escape && *text == 'n' ? ' ' : *text);
    }
    return arena_strdup(arena, str_text(&out));
}

static ErrCode line_read(Reader *reader, const ImportLine *line, Error *err)
{
    Arena *arena = reader->import->arena;
    char *text = arena_strndup(arena, line->text, line->length);
    char *remark = strchr(text, '#');
    const char *note = "";
    if (remark != NULL) {
        note = note_read(arena, remark + 1);
        *remark = '\0';
    }
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = '\0';
    text += strspn(text, " \t");
    if (*text == '%') {
        if (str_starts_with(text, "%project="))
            reader->project = text + strlen("%project=");
        return ERR_OK;
    }
    if (*text == '@')
        return tag_read(reader, text + 1, line->number, err);
    if (*text == '-') {
        err_set(err, ERR_CONFIG, "a revert in the plan can't be read");
        return fail(reader, line->number, err);
    }
    if (*text == '+')
        text += 1 + strspn(text + 1, " \t");
    return *text == '\0' ? ERR_OK : change_read(reader, text, line->number, note, err);
}

static ErrCode plan_read(Reader *reader, Error *err)
{
    char *text;
    size_t length;
    ErrCode code = file_read_text(reader->import->arena, reader->config.plan_file,
                                  LIMIT_REVISION_FILE_BYTES, &text, &length, err);
    if (code == ERR_NOT_FOUND)
        err_hint(err, "Name the directory with sqitch.conf, or say --option plan_file=FILE "
                      "(relative to PATH).");
    ImportLine line = {.next = text};
    while (code == ERR_OK && import_line(&line)) {
        ImportLine row = line;
        if (row.length > 0 && row.text[row.length - 1] == '\r')
            row.length--;
        code = line_read(reader, &row, err);
    }
    if (code == ERR_OK && reader->project[0] == '\0') {
        err_set(err, ERR_CONFIG, "the plan has no %%project= line");
        return fail(reader, 1, err);
    }
    return code;
}

/* --- scripts ---------------------------------------------------------------------------------- */

/* The file of a change: of one that was reworked later, with the first tag in between that has a
 * file. NULL: there is none. */
static const char *script_find(const Reader *reader, size_t index, const char *directory)
{
    Arena *arena = reader->import->arena;
    const Change *change = &reader->changes[index];
    if (change->next == 0) {
        const char *file = path_join(
            arena, directory, arena_printf(arena, "%s.%s", change->name, reader->config.extension));
        return file_exists(file) ? file : NULL;
    }
    for (size_t i = index; i < change->next; i++) {
        const StrList *tags = &reader->changes[i].tags;
        for (size_t t = 0; t < tags->count; t++) {
            const char *file = path_join(arena, directory,
                                         arena_printf(arena, "%s@%s.%s", change->name,
                                                      tags->items[t], reader->config.extension));
            if (file_exists(file))
                return file;
        }
    }
    return NULL;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* Whether psql would put the variable in: :name, :'name' or :"name". */
static bool mentions(const char *sql, const char *name, size_t length)
{
    for (const char *at = sql; (at = strchr(at, ':')) != NULL; at++) {
        bool cast = at[1] == ':' || (at > sql && at[-1] == ':');
        char quote = at[1] == '\'' || at[1] == '"' ? at[1] : '\0';
        const char *word = at + 1 + (quote != '\0');
        if (!cast && strncmp(word, name, length) == 0 &&
            (quote != '\0' ? word[length] == quote : !is_name(word[length])))
            return true;
    }
    return false;
}

static void variables_declare(Reader *reader, ImportedRevision *item)
{
    Import *import = reader->import;
    for (size_t i = 0; i < reader->config.variables.count; i++) {
        const char *variable = reader->config.variables.items[i];
        size_t length = strcspn(variable, "=");
        if (!mentions(item->up, variable, length) &&
            !(item->down != NULL && mentions(item->down, variable, length)) &&
            !(item->verify != NULL && mentions(item->verify, variable, length)))
            continue;
        bool plain = strpbrk(variable, ",\n") == NULL && strchr(variable, '=') != NULL;
        if (!plain)
            import_note(import, item->file, 0,
                        "the psql variable '%.*s' is a placeholder here: its value must be given",
                        (int)length, variable);
        strlist_add(import->arena, &item->placeholders,
                    plain ? variable : arena_strndup(import->arena, variable, length));
    }
}

/* --- revisions -------------------------------------------------------------------------------- */

static bool id_is_free(const Import *import, const char *id)
{
    if (id[0] == '\0' || graph_is_reserved(id))
        return false;
    for (size_t i = 0; i < import->count; i++) {
        if (strcmp(import->items[i].id, id) == 0)
            return false;
    }
    return true;
}

static const char *id_choose(Reader *reader, const Change *change)
{
    Import *import = reader->import;
    const char *name = import_id(import->arena, change->name);
    const char *id =
        change->nth == 1 ? name : arena_printf(import->arena, "%s_%zu", name, change->nth);
    for (size_t n = change->nth; !id_is_free(import, id); n++)
        id = arena_printf(import->arena, "%s_%zu", name, n);
    return id;
}

static bool label_is_free(const Reader *reader, const char *label)
{
    for (size_t i = 0; i < reader->count; i++) {
        if (strcmp(import_id(reader->import->arena, reader->changes[i].name), label) == 0)
            return false;
    }
    return !strlist_has(&reader->labels, label) && id_is_free(reader->import, label);
}

static void labels_set(Reader *reader, const Change *change, ImportedRevision *item)
{
    Import *import = reader->import;
    for (size_t i = 0; i < change->tags.count; i++) {
        const char *label = import_id(import->arena, change->tags.items[i]);
        if (!label_is_free(reader, label)) {
            import_note(import, reader->config.plan_file, change->line,
                        "the tag @%s can't be a label: the name is taken", change->tags.items[i]);
            continue;
        }
        strlist_add(import->arena, &reader->labels, label);
        strlist_add(import->arena, &item->labels, label);
    }
}

static void dependencies_report(Reader *reader, const Change *change)
{
    for (size_t i = 0; i < change->requires.count; i++) {
        const char *required = change->requires.items[i];
        size_t project = strcspn(required, ":");
        bool other = required[project] == ':' && (strlen(reader->project) != project ||
                                                  strncmp(required, reader->project, project) != 0);
        if (other)
            import_note(reader->import, reader->config.plan_file, change->line,
                        "requires %s of another project: import that one first", required);
    }
    for (size_t i = 0; i < change->conflicts.count; i++)
        import_note(reader->import, reader->config.plan_file, change->line,
                    "conflicts with %s, which is not checked here", change->conflicts.items[i]);
}

static void change_import(Reader *reader, size_t index)
{
    Import *import = reader->import;
    Arena *arena = import->arena;
    const Change *change = &reader->changes[index];
    const char *deploy = script_find(reader, index, reader->config.deploy_dir);
    const char *revert = script_find(reader, index, reader->config.revert_dir);
    const char *verify = script_find(reader, index, reader->config.verify_dir);
    const char *up;
    const char *down = NULL;
    const char *check = NULL;
    if (deploy == NULL) {
        import_problem(import, reader->config.plan_file, change->line,
                       "the change '%s' has no deploy script", change->name);
        return;
    }
    if (!import_read(import, deploy, &up) ||
        (revert != NULL && !import_read(import, revert, &down)) ||
        (verify != NULL && !import_read(import, verify, &check)))
        return;
    const char *id = id_choose(reader, change);
    ImportedRevision *item = import_add(import);
    item->id = id;
    item->origin_key =
        change->nth == 1
            ? arena_printf(arena, "%s:%s", reader->project, change->name)
            : arena_printf(arena, "%s:%s#%zu", reader->project, change->name, change->nth);
    item->file = deploy;
    item->message = change->note[0] != '\0' ? change->note : import_message(arena, change->name);
    item->created = change->created;
    item->up = up;
    item->down = down;
    item->down_file = revert;
    item->irreversible = revert == NULL ? "it has no revert script" : NULL;
    item->verify = check;
    labels_set(reader, change, item);
    variables_declare(reader, item);
    dependencies_report(reader, change);
}

static bool recognise(Arena *arena, const char *path)
{
    return file_exists(path_join(arena, path, "sqitch.plan")) ||
           file_exists(path_join(arena, path, "sqitch.conf"));
}

static ErrCode read(Import *import, Error *err)
{
    Reader reader = {.import = import, .project = ""};
    ErrCode code = sqitch_config_read(import, &reader.config, err);
    if (code == ERR_OK)
        code = plan_read(&reader, err);
    if (code != ERR_OK)
        return code;
    if (reader.config.engine[0] != '\0' && strcmp(reader.config.engine, "pg") != 0)
        import_note(import, import->path, 0,
                    "sqitch.conf names the engine %s: only PostgreSQL's SQL runs here",
                    reader.config.engine);
    for (size_t i = 0; i < reader.count; i++)
        change_import(&reader, i);
    return ERR_OK;
}

const ImportTool import_tool_sqitch = {
    .name = "sqitch",
    .summary = "a sqitch.plan with deploy, revert and verify scripts",
    .options = sqitch_options,
    .recognise = recognise,
    .read = read,
    .table = "sqitch.changes",
    .table_exists_sql =
        "SELECT count(*) = 3 FROM pg_catalog.pg_attribute"
        " WHERE attrelid = pg_catalog.to_regclass('sqitch.changes') AND NOT attisdropped"
        " AND attname IN ('change', 'project', 'committed_at')",
    .applied_sql =
        "SELECT project || ':' || change || CASE WHEN n > 1 THEN '#' || n ELSE '' END"
        " FROM (SELECT project, change, pg_catalog.row_number() OVER (PARTITION BY project, change"
        " ORDER BY committed_at) AS n FROM sqitch.changes) AS changes",
    .keys_have_scope = true,
};
