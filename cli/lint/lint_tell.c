#include "lint_tell.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const format_names[LINT_FORMAT_COUNT] = {"text", "sarif", "github"};

LintFormat lint_format_find(const char *word)
{
    LintFormat format = LINT_FORMAT_TEXT;
    while (format < LINT_FORMAT_COUNT && strcmp(format_names[format], word) != 0)
        format++;
    return format;
}

typedef struct Counts {
    size_t of[LINT_SEVERITY_NEVER];
    size_t ignored;
} Counts;

static Counts counts_of(const LintFindings *findings)
{
    Counts counts = {0};
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->items[i].suppressed != NULL)
            counts.ignored++;
        else
            counts.of[findings->items[i].severity]++;
    }
    return counts;
}

/* "ACCESS EXCLUSIVE, scan: reads the whole table" */
static const char *wrong_with(Arena *arena, const LintFinding *finding)
{
    const LintInfo *info = &finding->info;
    if (finding->sqlstate[0] != '\0')
        return arena_printf(arena, "%s (SQLSTATE %s)", info->why, finding->sqlstate);
    if (info->lint_class == LINT_NONE)
        return info->why;
    return arena_printf(arena, "%s%s%s: %s", info->lock, info->lock[0] == '\0' ? "" : ", ",
                        lint_class_name(info->lint_class), info->why);
}

static const char *way_out(Arena *arena, const LintFinding *finding)
{
    return finding->info.written ? arena_printf(arena, "%s; `pgtide revision --safe %s` writes it",
                                                finding->info.safe, finding->revision)
                                 : finding->info.safe;
}

/* --- text ------------------------------------------------------------------------------------- */

static const char *place_of(Arena *arena, const LintFinding *finding)
{
    if (finding->line == 0)
        return finding->file;
    return finding->column == 0
               ? arena_printf(arena, "%s:%d", finding->file, finding->line)
               : arena_printf(arena, "%s:%d:%d", finding->file, finding->line, finding->column);
}

static void tell_finding(CommandContext *context, const LintFinding *finding)
{
    Arena *arena = context->arena;
    say(context, "%s: %s %s: %s", plain_text(arena, place_of(arena, finding)),
        lint_severity_name(finding->severity), lint_rule_id(finding->rule),
        plain_text(arena, finding->what));
    say(context, "    %s", plain_text(arena, wrong_with(arena, finding)));
    say(context, "    safe: %s", plain_text(arena, way_out(arena, finding)));
}

static const char *counted(Arena *arena, size_t count, const char *what)
{
    return arena_printf(arena, "%zu %s%s", count, what, count == 1 ? "" : "s");
}

static void tell_text(CommandContext *context, const LintReport *report)
{
    Arena *arena = context->arena;
    for (size_t i = 0; i < report->findings->count; i++) {
        if (report->findings->items[i].suppressed == NULL)
            tell_finding(context, &report->findings->items[i]);
    }
    Counts counts = counts_of(report->findings);
    say(context, "%s%s: %s, %s, %s, %zu ignored", counted(arena, report->files, "file"),
        report->traced ? ", on a scratch database" : "",
        counted(arena, counts.of[LINT_SEVERITY_ERROR], "error"),
        counted(arena, counts.of[LINT_SEVERITY_WARNING], "warning"),
        counted(arena, counts.of[LINT_SEVERITY_NOTE], "note"), counts.ignored);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void write_place(JsonWriter *json, const char *line_key, const char *column_key,
                        const LintFinding *finding)
{
    if (finding->line > 0)
        json_field_int(json, line_key, finding->line);
    if (finding->line > 0 && finding->column > 0)
        json_field_int(json, column_key, finding->column);
}

static void write_finding(JsonWriter *json, const LintFinding *finding)
{
    json_object_begin(json);
    json_field_string(json, "rule", lint_rule_id(finding->rule));
    json_field_string(json, "severity", lint_severity_name(finding->severity));
    json_field_string(json, "revision", finding->revision[0] == '\0' ? NULL : finding->revision);
    json_field_string(json, "file", finding->file);
    write_place(json, "line", "column", finding);
    json_field_string(json, "what", finding->what);
    json_field_string(json, "lock", finding->info.lock[0] == '\0' ? NULL : finding->info.lock);
    json_field_string(json, "class", lint_class_name(finding->info.lint_class));
    json_field_string(json, "why", finding->info.why);
    json_field_string(json, "safe", finding->info.safe);
    json_field_bool(json, "written", finding->info.written);
    json_field_bool(json, "traced", finding->traced);
    json_field_string(json, "sqlstate", finding->sqlstate[0] == '\0' ? NULL : finding->sqlstate);
    json_field_string(json, "ignored", finding->suppressed);
    json_object_end(json);
}

static void write_json(CommandContext *context, const LintReport *report)
{
    Counts counts = counts_of(report->findings);
    JsonWriter json = context_json(context);
    json_object_begin(&json);
    json_field_uint(&json, "files", report->files);
    json_field_bool(&json, "traced", report->traced);
    json_field_bool(&json, "failed", report->failed);
    json_field_uint(&json, "errors", counts.of[LINT_SEVERITY_ERROR]);
    json_field_uint(&json, "warnings", counts.of[LINT_SEVERITY_WARNING]);
    json_field_uint(&json, "notes", counts.of[LINT_SEVERITY_NOTE]);
    json_field_uint(&json, "ignored", counts.ignored);
    json_field_array(&json, "findings");
    for (size_t i = 0; i < report->findings->count; i++)
        write_finding(&json, &report->findings->items[i]);
    json_array_end(&json);
    json_object_end(&json);
}

/* --- SARIF ------------------------------------------------------------------------------------ */

static void write_message(JsonWriter *json, const char *key, const char *text)
{
    json_field_object(json, key);
    json_field_string(json, "text", text);
    json_object_end(json);
}

static const char *sarif_level(LintSeverity severity)
{
    return severity == LINT_SEVERITY_OFF ? "none" : lint_severity_name(severity);
}

static void write_rules(JsonWriter *json)
{
    json_field_array(json, "rules");
    for (LintRule rule = (LintRule)0; rule < LINT_RULE_COUNT; rule++) {
        LintInfo info = lint_info(rule);
        json_object_begin(json);
        json_field_string(json, "id", lint_rule_id(rule));
        write_message(json, "shortDescription", info.why);
        write_message(json, "help", info.safe);
        json_field_object(json, "defaultConfiguration");
        json_field_string(json, "level", sarif_level(lint_rule_severity(rule)));
        json_object_end(json);
        json_object_end(json);
    }
    json_array_end(json);
}

/* A path as a relative URI. */
static const char *uri_of(Arena *arena, const char *path)
{
    AUTO_STR Str out = {0};
    for (const unsigned char *at = (const unsigned char *)path; *at != '\0'; at++) {
        if (isalnum(*at) || strchr("-._~/", *at) != NULL)
            str_append_char(&out, (char)*at);
        else
            str_printf(&out, "%%%02X", *at);
    }
    return arena_strdup(arena, str_text(&out));
}

static void write_result(Arena *arena, JsonWriter *json, const LintFinding *finding)
{
    json_object_begin(json);
    json_field_string(json, "ruleId", lint_rule_id(finding->rule));
    json_field_int(json, "ruleIndex", finding->rule);
    json_field_string(json, "level", sarif_level(finding->severity));
    write_message(json, "message",
                  arena_printf(arena, "%s. %s. Safe: %s", finding->what, wrong_with(arena, finding),
                               way_out(arena, finding)));
    json_field_array(json, "locations");
    json_object_begin(json);
    json_field_object(json, "physicalLocation");
    json_field_object(json, "artifactLocation");
    json_field_string(json, "uri", uri_of(arena, finding->file));
    json_object_end(json);
    if (finding->line > 0) {
        json_field_object(json, "region");
        write_place(json, "startLine", "startColumn", finding);
        json_object_end(json);
    }
    json_object_end(json);
    json_object_end(json);
    json_array_end(json);
    if (finding->suppressed != NULL) {
        json_field_array(json, "suppressions");
        json_object_begin(json);
        json_field_string(json, "kind", "inSource");
        json_field_string(json, "justification", finding->suppressed);
        json_object_end(json);
        json_array_end(json);
    }
    json_object_end(json);
}

static void tell_sarif(Arena *arena, const LintFindings *findings)
{
    AUTO_STR Str out = {0};
    JsonWriter json = json_writer(&out);
    json_object_begin(&json);
    json_field_string(&json, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json_field_string(&json, "version", "2.1.0");
    json_field_array(&json, "runs");
    json_object_begin(&json);
    json_field_object(&json, "tool");
    json_field_object(&json, "driver");
    json_field_string(&json, "name", "pgtide");
    json_field_string(&json, "version", PGTIDE_VERSION);
    write_rules(&json);
    json_object_end(&json);
    json_object_end(&json);
    json_field_string(&json, "columnKind", "unicodeCodePoints");
    json_field_array(&json, "results");
    for (size_t i = 0; i < findings->count; i++)
        write_result(arena, &json, &findings->items[i]);
    json_array_end(&json);
    json_object_end(&json);
    json_array_end(&json);
    json_object_end(&json);
    puts(str_text(&out));
}

/* --- GitHub ----------------------------------------------------------------------------------- */

/* `property`: in the list before the message. */
static const char *escaped(Arena *arena, const char *text, bool property)
{
    AUTO_STR Str out = {0};
    const char *special = property ? "%\r\n:," : "%\r\n";
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr(special, *at) != NULL)
            str_printf(&out, "%%%02X", (unsigned char)*at);
        else
            str_append_char(&out, *at);
    }
    return arena_strdup(arena, str_text(&out));
}

static void tell_github(Arena *arena, const LintFindings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const LintFinding *finding = &findings->items[i];
        if (finding->suppressed != NULL)
            continue;
        const char *command = finding->severity == LINT_SEVERITY_NOTE
                                  ? "notice"
                                  : lint_severity_name(finding->severity);
        printf("::%s file=%s", command, escaped(arena, finding->file, true));
        if (finding->line > 0)
            printf(",line=%d", finding->line);
        if (finding->line > 0 && finding->column > 0)
            printf(",col=%d", finding->column);
        const char *message =
            arena_printf(arena, "%s\n%s\nsafe: %s", plain_text(arena, finding->what),
                         plain_text(arena, wrong_with(arena, finding)),
                         plain_text(arena, way_out(arena, finding)));
        printf(",title=%s::%s\n", lint_rule_id(finding->rule), escaped(arena, message, false));
    }
}

void lint_tell(CommandContext *context, const LintReport *report, LintFormat format)
{
    write_json(context, report);
    if (format == LINT_FORMAT_SARIF)
        tell_sarif(context->arena, report->findings);
    else if (format == LINT_FORMAT_GITHUB)
        tell_github(context->arena, report->findings);
    else
        tell_text(context, report);
}
