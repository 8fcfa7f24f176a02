#include "import.h"

#include "file.h"
#include "named_limits.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define X(name) extern const ImportTool import_tool_##name;
#include "import_tools.def"
#undef X

const ImportTool *const *import_tools(void)
{
    static const ImportTool *const tools[] = {
#define X(name) &import_tool_##name,
#include "import_tools.def"
#undef X
        NULL,
    };
    return tools;
}

const ImportTool *import_tool(const char *name)
{
    for (const ImportTool *const *at = import_tools(); *at != NULL; at++) {
        if (strcmp((*at)->name, name) == 0)
            return *at;
    }
    return NULL;
}

ImportedRevision *import_add(Import *import)
{
    if (import->count == import->capacity) {
        size_t capacity = import->capacity == 0 ? 64 : 2 * import->capacity;
        import->items = arena_grow(import->arena, import->items, import->count, capacity,
                                   sizeof *import->items);
        import->capacity = capacity;
    }
    ImportedRevision *item = &import->items[import->count++];
    *item = (ImportedRevision){.id = "",
                               .origin_key = "",
                               .file = "",
                               .message = "",
                               .created = "",
                               .up = "",
                               .up_line = 1,
                               .down_line = 1};
    return item;
}

static PRINTF_LIKE(5, 0) void note_add(Import *import, const char *file, int line, bool problem,
                                       const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    char *out = arena_alloc(import->arena, (size_t)(length < 0 ? 0 : length) + 1);
    vsnprintf(out, (size_t)(length < 0 ? 0 : length) + 1, fmt, args);
    if (import->note_count == import->note_capacity) {
        size_t capacity = import->note_capacity == 0 ? 64 : 2 * import->note_capacity;
        import->notes = arena_grow(import->arena, import->notes, import->note_count, capacity,
                                   sizeof *import->notes);
        import->note_capacity = capacity;
    }
    import->notes[import->note_count++] = (ImportNote){
        .file = arena_strdup(import->arena, file), .line = line, .problem = problem, .text = out};
}

void import_note(Import *import, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note_add(import, file, line, false, fmt, args);
    va_end(args);
}

void import_problem(Import *import, const char *file, int line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note_add(import, file, line, true, fmt, args);
    va_end(args);
}

const char *import_option(const Import *import, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = import->options.count; i > 0; i--) {
        const char *option = import->options.items[i - 1];
        if (strncmp(option, key, length) == 0 && option[length] == '=')
            return option + length + 1;
    }
    return NULL;
}

/* --- texts ------------------------------------------------------------------------------------ */

const char *import_id(Arena *arena, const char *text)
{
    char *id = arena_alloc(arena, LIMIT_REVISION_ID_BYTES + 1);
    size_t length = 0;
    for (const char *at = text; *at != '\0' && length < LIMIT_REVISION_ID_BYTES; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x80 && (isalnum(c) || c == '_' || c == '.'))
            id[length++] = (char)c;
        else if (length == 0 || id[length - 1] != '_')
            id[length++] = '_';
    }
    id[length] = '\0';
    return id[strspn(id, "_")] == '\0' ? "" : id;
}

const char *import_message(Arena *arena, const char *text)
{
    char *message = arena_alloc(arena, strlen(text) + 1);
    size_t length = 0;
    for (const char *at = text; *at != '\0'; at++) {
        bool blank = *at == '_' || *at == '-' || (unsigned char)*at <= ' ' || *at == 0x7f;
        if (!blank)
            message[length++] = *at;
        else if (length > 0 && message[length - 1] != ' ')
            message[length++] = ' ';
    }
    while (length > 0 && message[length - 1] == ' ')
        length--;
    message[length] = '\0';
    return message;
}

static int two_digits(const char *at)
{
    return (at[0] - '0') * 10 + at[1] - '0';
}

const char *import_created(Arena *arena, const char *digits)
{
    if (strlen(digits) != 14 || strspn(digits, "0123456789") != 14)
        return "";
    int century = two_digits(digits);
    int month = two_digits(digits + 4);
    int day = two_digits(digits + 6);
    bool possible = century >= 19 && century <= 21 && month >= 1 && month <= 12 && day >= 1 &&
                    day <= 31 && two_digits(digits + 8) < 24 && two_digits(digits + 10) < 60 &&
                    two_digits(digits + 12) < 60;
    if (!possible)
        return "";
    return arena_printf(arena, "%.4s-%.2s-%.2s %.2s:%.2s:%.2s UTC", digits, digits + 4, digits + 6,
                        digits + 8, digits + 10, digits + 12);
}

static const char *without_zeros(const char *digits)
{
    return digits + strspn(digits, "0");
}

int import_number_compare(const char *a, const char *b)
{
    a = without_zeros(a);
    b = without_zeros(b);
    size_t a_length = strlen(a);
    size_t b_length = strlen(b);
    if (a_length != b_length)
        return a_length < b_length ? -1 : 1;
    return strcmp(a, b);
}

const char *import_number(Arena *arena, const char *digits)
{
    const char *number = without_zeros(digits);
    return *number == '\0' ? "0" : arena_strdup(arena, number);
}

bool import_line(ImportLine *line)
{
    if (*line->next == '\0')
        return false;
    line->text = line->next;
    line->length = strcspn(line->text, "\n");
    line->next += line->length + (line->text[line->length] == '\n');
    line->number++;
    return true;
}

bool import_line_comment(const ImportLine *line, const char **ret_text, size_t *ret_length)
{
    if (line->length < 2 || strncmp(line->text, "--", 2) != 0)
        return false;
    const char *begin = line->text + 2;
    const char *end = line->text + line->length;
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    *ret_text = begin;
    *ret_length = (size_t)(end - begin);
    return true;
}

bool import_line_blank(const ImportLine *line)
{
    for (size_t i = 0; i < line->length; i++) {
        if (!isspace((unsigned char)line->text[i]))
            return false;
    }
    return true;
}

bool import_says_no_transaction(const char *text)
{
    static const char said[] = "-- no-transaction";
    return str_starts_with(text, said) &&
           strspn(text + sizeof said - 1, " \t\r") == strcspn(text + sizeof said - 1, "\n");
}

/* --- files ------------------------------------------------------------------------------------ */

ErrCode import_list(Arena *arena, const char *directory, StrList *ret_names, Error *err)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        ErrCode code = errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO;
        return err_set(err, code, "can't read the directory %.200s: %s", directory,
                       strerror(errno));
    }
    StrList names = {0};
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL && names.count <= LIMIT_IMPORT_FILES) {
        if (entry->d_name[0] != '.')
            strlist_add(arena, &names, entry->d_name);
    }
    closedir(dir);
    if (names.count > LIMIT_IMPORT_FILES)
        return err_set(err, ERR_LIMIT, "more than %d files in %.200s", LIMIT_IMPORT_FILES,
                       directory);
    strlist_sort(&names);
    *ret_names = names;
    return ERR_OK;
}

static bool has_one(Arena *arena, const char *directory,
                    bool (*is_one)(Arena *arena, const char *directory, const char *name))
{
    StrList names = {0};
    if (import_list(arena, directory, &names, NULL) != ERR_OK)
        return false;
    for (size_t i = 0; i < names.count; i++) {
        if (is_one(arena, directory, names.items[i]))
            return true;
    }
    return false;
}

const char *import_find(Arena *arena, const char *path, const char *const *subdirectories,
                        bool (*is_one)(Arena *arena, const char *directory, const char *name))
{
    if (has_one(arena, path, is_one))
        return path;
    for (size_t i = 0; subdirectories[i] != NULL; i++) {
        const char *directory = path_join(arena, path, subdirectories[i]);
        if (has_one(arena, directory, is_one))
            return directory;
    }
    return NULL;
}

/* "\r\n" -> "\n", in place. Returns how many. */
static size_t line_ends_unify(char *text)
{
    size_t changed = 0;
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (from[0] == '\r' && from[1] == '\n')
            changed++;
        else
            *to++ = *from;
    }
    *to = '\0';
    return changed;
}

bool import_read(Import *import, const char *file, const char **ret_text)
{
    char *text;
    size_t length;
    Error err = {0};
    uint8_t *bytes;
    ErrCode code =
        file_read_all(import->arena, file, LIMIT_REVISION_FILE_BYTES, &bytes, &length, &err);
    if (code != ERR_OK) {
        import_problem(import, file, 0, "%s", err.message);
        return false;
    }
    text = (char *)bytes;
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        length -= 3;
        import_note(import, file, 1, "byte order mark taken off");
    }
    if (!str_is_utf8(text, length)) {
        int line = 1;
        for (const char *at = text; at < text + length; line++) {
            const char *newline = memchr(at, '\n', (size_t)(text + length - at));
            const char *next = newline == NULL ? text + length : newline + 1;
            if (!str_is_utf8(at, (size_t)(next - at)))
                break;
            at = next;
        }
        import_problem(import, file, line, "not UTF-8 text: convert the file, then import again");
        return false;
    }
    if (line_ends_unify(text) > 0)
        import_note(import, file, 0, "carriage returns at line ends taken off");
    *ret_text = text;
    return true;
}
