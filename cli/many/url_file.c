#include "url_file.h"

#include "file.h"
#include "named_limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An entry while its file is read. */
typedef struct Line {
    const char *file;
    int number;
    StrList words;
    UrlEntry entry;
    bool named; /* by the file */
} Line;

typedef struct LineList {
    Line *items;
    size_t count;
    size_t capacity;
} LineList;

/* --- one line --------------------------------------------------------------------------------- */

/* Words end at white space outside of single quotes, which keyword strings have. */
static void split_words(Arena *arena, const char *text, StrList *out)
{
    const char *at = text;
    while (*(at += strspn(at, " \t\r")) != '\0') {
        const char *start = at;
        bool quoted = false;
        for (; *at != '\0' && (quoted || strchr(" \t\r", *at) == NULL); at++) {
            if (*at == '\\' && at[1] != '\0')
                at++;
            else if (*at == '\'')
                quoted = !quoted;
        }
        strlist_add(arena, out, arena_strndup(arena, start, (size_t)(at - start)));
    }
}

static bool is_url(const char *word)
{
    return str_starts_with(word, "postgresql://") || str_starts_with(word, "postgres://");
}

static bool is_name(const char *word)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-";
    size_t length = strspn(word, allowed);
    return length > 0 && length <= LIMIT_URL_NAME_BYTES && word[length] == '\0';
}

static ErrCode wrong(const Line *line, Error *err, const char *what, const char *hint)
{
    err_set(err, ERR_CONFIG, "%s", what);
    err_at(err, line->file, line->number);
    err_hint(err, "%s", hint);
    return ERR_CONFIG;
}

static const char form_hint[] = "A line is `[NAME ]URL [schema=NAME]`; a `#` begins a remark.";

/* 'a \'b' without its quotes and backslashes. */
static const char *unquoted(Arena *arena, const char *text)
{
    char *out = arena_alloc(arena, strlen(text) + 1);
    size_t length = 0;
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '\\' && at[1] != '\0')
            out[length++] = *++at;
        else if (*at != '\'')
            out[length++] = *at;
    }
    return out;
}

/* Takes schema=NAME out of the words; the others, joined, are the connection's. */
static ErrCode take_words(Arena *arena, Line *line, size_t from, const char **ret_conninfo,
                          Error *err)
{
    StrList rest = {0};
    UrlEntry *entry = &line->entry;
    for (size_t i = from; i < line->words.count; i++) {
        const char *word = line->words.items[i];
        if (!str_starts_with(word, "schema=")) {
            strlist_add(arena, &rest, word);
            continue;
        }
        const char *schema = unquoted(arena, word + strlen("schema="));
        if (entry->schema != NULL || *schema == '\0' || strlen(schema) > LIMIT_NAME_BYTES)
            return wrong(line, err, "schema= is given once, with a schema's name", form_hint);
        entry->schema = schema;
    }
    if (rest.count == 0)
        return wrong(line, err, "there is no url on the line", form_hint);
    if (rest.count > 1 && is_url(rest.items[0]))
        return wrong(line, err, "there is something behind the url", form_hint);
    *ret_conninfo = strlist_join(arena, &rest, " ");
    return ERR_OK;
}

static const char *keyword(const UrlEntry *entry, const char *name)
{
    for (size_t i = 0; i < entry->conninfo_count; i++) {
        if (strcmp(entry->conninfo[i].name, name) == 0)
            return entry->conninfo[i].value;
    }
    return "";
}

/* Names are shown on terminals. */
static const char *printable(Arena *arena, const char *text)
{
    char *out = arena_strdup(arena, text);
    for (char *at = out; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7F)
            *at = '?';
    }
    return out;
}

/* What a line without a name is called: its database, with its server where that is not enough. */
static const char *name_of(Arena *arena, const Line *line, bool with_server)
{
    const UrlEntry *entry = &line->entry;
    const char *database = keyword(entry, "dbname");
    if (*database == '\0')
        return arena_printf(arena, "line-%d", line->number);
    const char *host = keyword(entry, "host");
    if (*host == '\0')
        host = keyword(entry, "hostaddr");
    const char *port = keyword(entry, "port");
    const char *server = with_server
                             ? arena_printf(arena, "@%s%s%s", *host == '\0' ? "local" : host,
                                            *port == '\0' ? "" : ":", port)
                             : "";
    return printable(arena, arena_printf(arena, "%s%s%s%s", database, server,
                                         entry->schema == NULL ? "" : "/",
                                         entry->schema == NULL ? "" : entry->schema));
}

static ErrCode read_line(Arena *arena, Line *line, Error *err)
{
    UrlEntry *entry = &line->entry;
    const char *first = line->words.items[0];
    line->named = strchr(first, '=') == NULL && strstr(first, "://") == NULL;
    if (line->named && !is_name(first))
        return wrong(line, err, "the line's first word is neither a name nor a url",
                     "A name has letters, digits and any of . _ / - in it.");
    const char *conninfo;
    ErrCode code = take_words(arena, line, line->named ? 1 : 0, &conninfo, err);
    if (code != ERR_OK)
        return code;
    if (pg_parse_conninfo(arena, conninfo, &entry->conninfo, &entry->conninfo_count, NULL) !=
        ERR_OK)
        return wrong(line, err, "not a valid connection url or keyword string", form_hint);
    entry->line = line->number;
    entry->name = line->named ? first : name_of(arena, line, false);
    return ERR_OK;
}

/* --- names ------------------------------------------------------------------------------------ */

static int compare_names(const void *a, const void *b)
{
    const Line *left = *(Line *const *)a;
    const Line *right = *(Line *const *)b;
    int order = strcmp(left->entry.name, right->entry.name);
    return order != 0 ? order : left->number - right->number;
}

static Line **sorted(Arena *arena, LineList *lines)
{
    Line **all = ARENA_ARRAY(arena, Line *, lines->count + 1);
    for (size_t i = 0; i < lines->count; i++)
        all[i] = &lines->items[i];
    qsort(all, lines->count, sizeof *all, compare_names);
    return all;
}

static bool shares_name(Line *const *all, size_t count, size_t at)
{
    const char *name = all[at]->entry.name;
    return (at > 0 && strcmp(all[at - 1]->entry.name, name) == 0) ||
           (at + 1 < count && strcmp(all[at + 1]->entry.name, name) == 0);
}

/* Those named by us are told apart: by their server, then by their line. */
static ErrCode make_names_unique(Arena *arena, LineList *lines, Error *err)
{
    for (int round = 0; round < 2; round++) {
        Line **all = sorted(arena, lines);
        const char **names = ARENA_ARRAY(arena, const char *, lines->count + 1);
        for (size_t i = 0; i < lines->count; i++) {
            Line *line = all[i];
            names[i] = line->entry.name;
            bool shared = shares_name(all, lines->count, i);
            if (shared && line->named && i > 0 && all[i - 1]->named &&
                strcmp(all[i - 1]->entry.name, names[i]) == 0) {
                err_set(err, ERR_CONFIG, "the name '%s' stands on line %d too", names[i],
                        all[i - 1]->number);
                err_at(err, line->file, line->number);
                err_hint(err, "Give each database a name of its own.");
                return ERR_CONFIG;
            }
            if (shared && !line->named)
                names[i] = round == 0 ? name_of(arena, line, true)
                                      : arena_printf(arena, "%s#%d", names[i], line->number);
        }
        for (size_t i = 0; i < lines->count; i++)
            all[i]->entry.name = names[i];
    }
    return ERR_OK;
}

/* --- the file --------------------------------------------------------------------------------- */

static Line *line_add(Arena *arena, LineList *lines)
{
    if (lines->count == lines->capacity) {
        size_t capacity = lines->capacity == 0 ? 64 : 2 * lines->capacity;
        lines->items = arena_grow(arena, lines->items, lines->count, capacity, sizeof(Line));
        lines->capacity = capacity;
    }
    return &lines->items[lines->count++];
}

static ErrCode read_lines(Arena *arena, const char *path, const char *text, LineList *lines,
                          Error *err)
{
    int number = 1;
    for (const char *at = text; *at != '\0'; number++) {
        size_t length = strcspn(at, "\n");
        StrList words = {0};
        split_words(arena, arena_strndup(arena, at, length), &words);
        at += length + (at[length] == '\n');
        if (words.count == 0 || words.items[0][0] == '#')
            continue;
        if (lines->count == LIMIT_URLS)
            return err_set(err, ERR_LIMIT, "%.200s: more than %d databases", path, LIMIT_URLS);
        Line *line = line_add(arena, lines);
        *line = (Line){.file = path, .number = number, .words = words};
        ErrCode code = read_line(arena, line, err);
        if (code != ERR_OK)
            return code;
    }
    return ERR_OK;
}

ErrCode url_file_parse(Arena *arena, const char *path, const char *text, size_t length,
                       UrlFile *ret_file, Error *err)
{
    LineList lines = {0};
    if (!str_is_utf8(text, length)) {
        err_set(err, ERR_CONFIG, "%.200s is not a text in UTF-8", path);
        err_hint(err, "%s", form_hint);
        return ERR_CONFIG;
    }
    if (str_starts_with(text, "\xEF\xBB\xBF")) /* a query's output may have it too */
        text += 3;
    ErrCode code = read_lines(arena, path, text, &lines, err);
    if (code == ERR_OK && lines.count == 0) {
        err_set(err, ERR_CONFIG, "%.200s names no database", path);
        err_hint(err, "%s", form_hint);
        code = ERR_CONFIG;
    }
    if (code == ERR_OK)
        code = make_names_unique(arena, &lines, err);
    if (code != ERR_OK)
        return code;
    ret_file->items = ARENA_ARRAY(arena, UrlEntry, lines.count);
    ret_file->count = lines.count;
    for (size_t i = 0; i < lines.count; i++)
        ret_file->items[i] = lines.items[i].entry;
    return ERR_OK;
}

static ErrCode read_stdin(Arena *arena, char **ret_text, size_t *ret_length, Error *err)
{
    AUTO_STR Str text = {0};
    char buffer[4096];
    size_t got;
    while ((got = fread(buffer, 1, sizeof buffer, stdin)) > 0 && text.length <= LIMIT_URLS_BYTES)
        str_append_bytes(&text, buffer, got);
    if (ferror(stdin))
        return err_set(err, ERR_IO, "can't read standard input: %s", strerror(errno));
    if (text.length > LIMIT_URLS_BYTES)
        return err_set(err, ERR_LIMIT, "standard input has more than %d bytes", LIMIT_URLS_BYTES);
    *ret_length = text.length;
    *ret_text = arena_strndup(arena, str_text(&text), text.length);
    return ERR_OK;
}

ErrCode url_file_read(Arena *arena, const char *path, UrlFile *ret_file, Error *err)
{
    char *text;
    size_t length;
    bool is_stdin = strcmp(path, "-") == 0;
    ErrCode code = is_stdin ? read_stdin(arena, &text, &length, err)
                            : file_read_text(arena, path, LIMIT_URLS_BYTES, &text, &length, err);
    if (code != ERR_OK)
        return code;
    return url_file_parse(arena, is_stdin ? "standard input" : path, text, length, ret_file, err);
}
