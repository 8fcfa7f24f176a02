/*
 * Plain SQL files with a number at the front, as kept by scripts of one's own (and by tools without
 * a table of their own): 1.sql, 001-x.sql, V001_x.sql, 001_x.up.sql. A file that undoes says so by
 * `down`, `undo`, `rollback` or `revert` at its end. Their order is that of their numbers, then of
 * their names.
 */
#include "import.h"

#include "file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Numbered {
    const char *digits;
    const char *stem; /* without the word at the end and `.sql` */
    const char *up;
    const char *down;
    const char *twice;
} Numbered;

static const char *const subdirectories[] = {"migrations",          "db/migrations", "db/migration",
                                             "database/migrations", "sql",           NULL};
static const char *const up_words[] = {"up", "upgrade", "deploy", "do", NULL};
static const char *const down_words[] = {"down", "downgrade", "undo", "rollback", "revert", NULL};

/* Whether `stem` ends with [._-] and one of the words; gives the length without them. */
static bool ends_with_word(const char *stem, size_t length, const char *const *words,
                           size_t *ret_length)
{
    for (; *words != NULL; words++) {
        size_t word = strlen(*words);
        if (length > word + 1 && strncasecmp(stem + length - word, *words, word) == 0 &&
            strchr("._-", stem[length - word - 1]) != NULL) {
            *ret_length = length - word - 1;
            return true;
        }
    }
    return false;
}

static bool name_read(Arena *arena, const char *name, Numbered *ret, bool *ret_up)
{
    const char *number = name + (tolower((unsigned char)name[0]) == 'v');
    size_t digits = strspn(number, "0123456789");
    size_t length = strlen(name);
    if (digits == 0 || length < 5 || strcasecmp(name + length - 4, ".sql") != 0 ||
        strchr("._-", number[digits]) == NULL)
        return false;
    length -= 4;
    *ret_up = !ends_with_word(name, length, down_words, &length);
    if (*ret_up)
        ends_with_word(name, length, up_words, &length);
    ret->digits = arena_strndup(arena, number, digits);
    ret->stem = arena_strndup(arena, name, length);
    return true;
}

static bool is_one(Arena *arena, const char *directory, const char *name)
{
    (void)directory;
    Numbered parts;
    bool up;
    return name_read(arena, name, &parts, &up) && up;
}

static bool recognise(Arena *arena, const char *path)
{
    return import_find(arena, path, subdirectories, is_one) != NULL;
}

/* Digits compare as numbers, everything else bytewise. */
static int compare_natural(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        size_t a_digits = strspn(a, "0123456789");
        size_t b_digits = strspn(b, "0123456789");
        if (a_digits > 0 && b_digits > 0) {
            while (a_digits > 1 && *a == '0')
                a++, a_digits--;
            while (b_digits > 1 && *b == '0')
                b++, b_digits--;
            int order =
                a_digits != b_digits ? (a_digits < b_digits ? -1 : 1) : strncmp(a, b, a_digits);
            if (order != 0)
                return order;
            a += a_digits;
            b += b_digits;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return (*a != '\0') - (*b != '\0');
}

static int compare_files(const void *a, const void *b)
{
    const Numbered *one = a;
    const Numbered *other = b;
    int order = import_number_compare(one->digits, other->digits);
    if (order == 0)
        order = compare_natural(one->stem, other->stem);
    return order != 0 ? order : strcmp(one->stem, other->stem);
}

/* A file that undoes belongs to the one that has its stem. Returns the count. */
static size_t files_join(Numbered *files, size_t count)
{
    size_t joined = 0;
    if (count > 1)
        qsort(files, count, sizeof *files, compare_files);
    for (size_t i = 0; i < count; i++) {
        Numbered *last = joined > 0 ? &files[joined - 1] : NULL;
        if (last == NULL || strcmp(last->stem, files[i].stem) != 0) {
            files[joined++] = files[i];
            continue;
        }
        if ((files[i].up != NULL && last->up != NULL) ||
            (files[i].down != NULL && last->down != NULL))
            last->twice = files[i].up != NULL ? files[i].up : files[i].down;
        else if (files[i].up != NULL)
            last->up = files[i].up;
        else
            last->down = files[i].down;
    }
    return joined;
}

static void file_add(Import *import, const Numbered *file)
{
    Arena *arena = import->arena;
    if (file->twice != NULL) {
        import_problem(import, file->twice, 0, "a second file that does the same as %s",
                       file->up != NULL ? file->up : file->down);
        return;
    }
    if (file->up == NULL) {
        import_problem(import, file->down, 0, "there is no %s.sql that it would undo", file->stem);
        return;
    }
    const char *up;
    const char *down = NULL;
    if (!import_read(import, file->up, &up) ||
        (file->down != NULL && !import_read(import, file->down, &down)))
        return;
    const char *title = strstr(file->stem, file->digits) + strlen(file->digits);
    ImportedRevision *item = import_add(import);
    item->id = import_id(arena, file->stem);
    item->origin_key = file->stem;
    item->file = file->up;
    item->message = import_message(arena, title + strspn(title, "._- "));
    item->created = import_created(arena, file->digits);
    item->up = up;
    item->down = down;
    item->no_transaction = import_says_no_transaction(up);
    item->down_no_transaction = down != NULL && import_says_no_transaction(down);
    item->down_file = file->down;
}

static ErrCode read(Import *import, Error *err)
{
    Arena *arena = import->arena;
    const char *directory = import_find(arena, import->path, subdirectories, is_one);
    if (directory == NULL) {
        err_set(err, ERR_NOT_FOUND, "no numbered SQL files in %.200s", import->path);
        err_hint(err, "Their names begin with a number: 001_create_users.sql.");
        return ERR_NOT_FOUND;
    }
    StrList names;
    ErrCode code = import_list(arena, directory, &names, err);
    if (code != ERR_OK)
        return code;
    Numbered *files = ARENA_ARRAY(arena, Numbered, names.count);
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        Numbered file = {0};
        bool up;
        if (!name_read(arena, names.items[i], &file, &up)) {
            if (str_ends_with(names.items[i], ".sql"))
                import_note(import, path_join(arena, directory, names.items[i]), 0,
                            "has no number at its front: not imported");
            continue;
        }
        *(up ? &file.up : &file.down) = path_join(arena, directory, names.items[i]);
        files[count++] = file;
    }
    count = files_join(files, count);
    for (size_t i = 0; i < count; i++)
        file_add(import, &files[i]);
    return ERR_OK;
}

const ImportTool import_tool_numbered = {
    .name = "numbered",
    .summary = "001_x.sql, V2-x.sql, x being free; .down, -undo, _rollback undo",
    .recognise = recognise,
    .read = read,
};
