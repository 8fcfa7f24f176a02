#include "rewrite.h"

#include <string.h>

/* Where the file's line `line` (from 1) begins. */
static const char *line_begin(const char *text, int line)
{
    for (const char *next; line > 1 && (next = strchr(text, '\n')) != NULL; line--)
        text = next + 1;
    return text;
}

static int marker_line(const Script *script)
{
    const ScriptSection *sections[] = {&script->upgrade, &script->downgrade, &script->verify};
    int line = 0;
    for (size_t i = 0; i < 3; i++) {
        if (sections[i]->present && (line == 0 || sections[i]->first_line - 1 < line))
            line = sections[i]->first_line - 1;
    }
    return line;
}

static bool is_key(const char *line, const char *key)
{
    if (strncmp(line, "--", 2) != 0)
        return false;
    line += 2 + strspn(line + 2, " \t");
    return str_starts_with(line, key) && line[strlen(key)] == ':';
}

static void append_header(Str *out, const char *header, const char *end)
{
    while (header < end) {
        size_t length = strcspn(header, "\n");
        if (!is_key(header, "transaction") && !is_key(header, "phase") &&
            strcspn(header, "\r\n") > 0)
            str_printf(out, "%.*s\n", (int)strcspn(header, "\r\n"), header);
        header += length + (header[length] == '\n');
    }
}

/* Behind a bar, where no line of it is a marker. */
static void append_original(Str *out, const char *text)
{
    str_append(out, "--\n-- Written by `pgtide revision --safe`. It was:\n--\n");
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        size_t shown = length > 0 && text[length - 1] == '\r' ? length - 1 : length;
        str_printf(out, "-- |%s%.*s\n", shown > 0 ? " " : "", (int)shown, text);
        text += length + (text[length] == '\n');
    }
}

const char *rewrite_file(Arena *arena, const Script *script, const Rewritten *rewritten)
{
    AUTO_STR Str out = {0};
    const char *text = arena_strndup(arena, (const char *)script->bytes, script->length);
    const char *body = line_begin(text, marker_line(script));
    append_header(&out, text, body);
    str_append(&out, "-- transaction: none\n");
    if (rewritten->contracts || rewritten->has_contract)
        str_printf(&out, "-- phase: %s\n", rewritten->contracts ? "contract" : "expand");
    append_original(&out, body);
    str_printf(&out, "\n-- +upgrade\n%s", rewritten->text.upgrade);
    if (script->downgrade.present)
        str_printf(&out, "\n-- +downgrade\n%s", rewritten->text.downgrade);
    if (script->verify.present)
        str_printf(&out, "\n-- +verify\n%.*s", (int)script->verify.length, script->verify.sql);
    return arena_strdup(arena, str_text(&out));
}
