/*
 * dbmate: files that begin with a number, in the order of their names, with a block behind
 * `-- migrate:up` and one behind `-- migrate:down`. Options follow on the same line;
 * `transaction:false` is the one that matters. The table lists the numbers that are applied.
 */
#include "import.h"

#include "file.h"

#include <ctype.h>
#include <string.h>

static const char *const subdirectories[] = {"db/migrations", "migrations", "database/migrations",
                                             NULL};

typedef struct Block {
    const char *begin; /* NULL: there is none */
    const char *directive;
    int line; /* of its first byte */
    bool no_transaction;
} Block;

/* `-- migrate:up OPTIONS`; `word` is "up" or "down". */
static bool directive_read(const ImportLine *line, const char *word, Block *ret)
{
    const char *text;
    size_t length;
    if (!import_line_comment(line, &text, &length))
        return false;
    size_t head = strlen("migrate:") + strlen(word);
    if (length < head || strncmp(text, "migrate:", 8) != 0 ||
        strncmp(text + 8, word, strlen(word)) != 0 ||
        (length > head && !isspace((unsigned char)text[head])))
        return false;
    const char *option =
        length > head ? memmem(text + head, length - head, "transaction:false", 17) : NULL;
    *ret = (Block){.begin = line->next,
                   .directive = line->text,
                   .line = line->number + 1,
                   .no_transaction = option != NULL};
    return true;
}

static bool name_read(Arena *arena, const char *name, const char **ret_digits)
{
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || !str_ends_with(name, ".sql"))
        return false;
    *ret_digits = arena_strndup(arena, name, digits);
    return true;
}

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    const char *digits;
    const char *text;
    Import probe = {.arena = arena};
    if (!name_read(arena, name, &digits) ||
        !import_read(&probe, path_join(arena, directory, name), &text))
        return false;
    Block ignored;
    for (ImportLine line = {.next = text}; import_line(&line);) {
        if (directive_read(&line, "up", &ignored))
            return true;
    }
    return false;
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_one) != NULL;
}

/* The first directive of each kind counts. */
static bool blocks_find(Import *import, const char *file, const char *text, Block *up, Block *down)
{
    for (ImportLine line = {.next = text}; import_line(&line);) {
        const char *ignored;
        size_t length;
        if (up->begin == NULL && directive_read(&line, "up", up))
            continue;
        if (down->begin == NULL && directive_read(&line, "down", down)) {
            if (up->begin == NULL) {
                import_problem(import, file, line.number, "'migrate:down' before 'migrate:up'");
                return false;
            }
            continue;
        }
        if (up->begin == NULL && !import_line_blank(&line) &&
            !import_line_comment(&line, &ignored, &length) &&
            strncmp(line.text + strspn(line.text, " \t"), "--", 2) != 0) {
            import_problem(import, file, line.number, "SQL before '-- migrate:up'");
            return false;
        }
    }
    if (up->begin == NULL)
        import_problem(import, file, 0, "no '-- migrate:up'");
    return up->begin != NULL;
}

static void file_add(Import *import, const char *file, const char *name, const char *digits)
{
    Arena *arena = import->arena;
    const char *text;
    Block up = {0};
    Block down = {0};
    if (!import_read(import, file, &text) || !blocks_find(import, file, text, &up, &down))
        return;
    const char *title = name + strlen(digits);
    ImportedRevision *item = import_add(import);
    item->id = digits;
    item->origin_key = digits;
    item->file = file;
    item->message =
        import_message(arena, arena_strndup(arena, title, strlen(title) - strlen(".sql")));
    item->created = import_created(arena, digits);
    item->up = down.begin == NULL
                   ? up.begin
                   : arena_strndup(arena, up.begin, (size_t)(down.directive - up.begin));
    item->up_line = up.line;
    item->no_transaction = up.no_transaction;
    item->down = down.begin;
    item->down_line = down.line;
    item->down_no_transaction = down.no_transaction;
    if (down.begin == NULL)
        item->irreversible = "no migrate:down in the imported project";
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no dbmate files in %.200s", import->path);
        err_hint(err, "Their names begin with a number and they hold a line `-- migrate:up`; name "
                      "their directory.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < names.count; i++) {
        const char *digits;
        if (name_read(arena, names.items[i], &digits))
            file_add(import, path_join(arena, directory, names.items[i]), names.items[i], digits);
    }
    return ERR_OK;
}

const ImportTool import_tool_dbmate = {
    .name = "dbmate",
    .summary = "VERSION_NAME.sql with `-- migrate:up` and `-- migrate:down`",
    .recognise = recognise,
    .read = read,
    .table = "schema_migrations",
    .table_exists_sql =
        "SELECT coalesce(array_agg(attname::text ORDER BY attname), '{}') @> '{version}'"
        " AND NOT coalesce(array_agg(attname::text), '{}') @> '{dirty}'"
        " FROM pg_catalog.pg_attribute"
        " WHERE attrelid = pg_catalog.to_regclass('schema_migrations') AND NOT attisdropped",
    .applied_sql = "SELECT version::text FROM schema_migrations",
};
