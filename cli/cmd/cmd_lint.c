#include "lint_run.h"
#include "lint_select.h"
#include "lint_tell.h"
#include "scratch.h"

#include "placeholder.h"

#include <stdint.h>
#include <string.h>

enum { EXIT_FOUND = 3 };

/* The command at work. */
typedef struct Lint {
    CommandContext *context;
    LintSelection selection;
    LintFormat format;
    LintRun *runs; /* of all revisions, oldest first; none: no trace */
    size_t run_count;
    LintFindings findings;
    LintReport report;
} Lint;

static ErrCode read_options(Lint *lint, Error *err)
{
    const CommandContext *context = lint->context;
    const char *format = context_option(context, "format");
    lint->format = format == NULL ? LINT_FORMAT_TEXT : lint_format_find(format);
    if (lint->format == LINT_FORMAT_COUNT)
        return err_set(err, ERR_USAGE, "--format must be text, sarif or github, not '%.80s'",
                       format);
    if (context_has(context, "url") && !context_has(context, "trace"))
        return err_set(err, ERR_USAGE, "--url says on which server --trace runs the revisions");
    if (context->json && format != NULL)
        return err_set(err, ERR_USAGE, "--json and --format are two forms of the same");
    return ERR_OK;
}

/* After the project is read: it says it too. */
static ErrCode read_fail_on(Lint *lint, Error *err)
{
    const char *word = context_option(lint->context, "fail-on");
    if (word == NULL)
        return ERR_OK;
    LintSeverity severity = lint_fail_on_find(word);
    if (severity == LINT_SEVERITY_OFF)
        return err_set(err, ERR_USAGE,
                       "--fail-on must be error, warning, note or never, not '%.80s'", word);
    lint->selection.project.lint.fail_on = severity;
    return ERR_OK;
}

/* --- on a scratch database -------------------------------------------------------------------- */

static const LintFile *file_of(const Lint *lint, const char *id)
{
    for (size_t i = 0; i < lint->selection.count; i++) {
        const LintFile *file = &lint->selection.files[i];
        if (!file->outside && strcmp(file->script->id, id) == 0)
            return file;
    }
    return NULL;
}

static ErrCode prepare_run(Lint *lint, GraphStep *step, LintRun *run, Error *err)
{
    const LintFile *file = file_of(lint, step->revision);
    if (!file->bound)
        return script_bind(lint->context->arena, step->script, &lint->selection.assignments,
                           &step->script, err);
    step->script = file->script;
    *run = (LintRun){.step = step, .wanted = file->wanted};
    return ERR_OK;
}

static ErrCode trace(Lint *lint, Error *err)
{
    Arena *arena = lint->context->arena;
    const LintSelection *selection = &lint->selection;
    StrList none = {0};
    GraphSteps steps = {0};
    if (selection->plain == NULL) {
        err_set(err, ERR_GRAPH, "nothing can be run while files are refused");
        err_hint(err, "`pgtide lint` without --trace tells what is wrong with them.");
        return ERR_GRAPH;
    }
    if (graph_count(selection->plain) == 0)
        return ERR_OK;
    ErrCode code = graph_upgrade(arena, selection->plain, &none, "heads", &steps, err);
    LintRun *runs = ARENA_ARRAY(arena, LintRun, steps.count + 1);
    for (size_t i = 0; code == ERR_OK && i < steps.count; i++)
        code = prepare_run(lint, &steps.items[i], &runs[i], err);
    if (code != ERR_OK)
        return code;
    lint->runs = runs;
    lint->run_count = steps.count;
    return lint_run(lint->context, runs, steps.count, err);
}

/* --- findings --------------------------------------------------------------------------------- */

static const LintRun *run_of(const Lint *lint, const LintFile *file)
{
    for (size_t i = 0; i < lint->run_count; i++) {
        if (!file->outside && lint->runs[i].done && lint->runs[i].step->script == file->script)
            return &lint->runs[i];
    }
    return NULL;
}

static void look(Lint *lint, const LintFile *file)
{
    Arena *arena = lint->context->arena;
    const Script *script = file->script;
    const LintRun *run = run_of(lint, file);
    size_t first = lint->findings.count;
    lint_statements(arena, script, file->outside ? NULL : lint->selection.map, &lint->findings);
    if (run != NULL)
        lint_trace(arena, script, &run->traced, first, &lint->findings);
    bool all = run != NULL && run->traced.failure == NULL;
    lint_finish(arena, script, &lint->selection.project.lint, all, first, &lint->findings);
    for (size_t i = first; i < lint->findings.count; i++)
        lint->findings.items[i].file = lint_path(arena, lint->findings.items[i].file);
    lint->report.files++;
}

static void judge(Lint *lint)
{
    const LintSelection *selection = &lint->selection;
    lint->findings = selection->refused;
    lint->report.files = selection->refused.count;
    for (size_t i = 0; i < selection->count; i++) {
        if (selection->files[i].wanted)
            look(lint, &selection->files[i]);
    }
    lint->report.findings = &lint->findings;
    lint->report.traced = lint->run_count > 0;
    for (size_t i = 0; i < lint->findings.count; i++) {
        const LintFinding *finding = &lint->findings.items[i];
        if (finding->suppressed == NULL && finding->severity >= selection->project.lint.fail_on)
            lint->report.failed = true;
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static ErrCode run(CommandContext *context, Error *err)
{
    Lint lint = {.context = context};
    ErrCode code = read_options(&lint, err);
    if (code == ERR_OK)
        code = lint_select(context, &lint.selection, err);
    if (code == ERR_OK)
        code = read_fail_on(&lint, err);
    bool traces = context_has(context, "trace") || context_has(context, "scratch-url");
    if (code == ERR_OK && traces)
        code = trace(&lint, err);
    if (code != ERR_OK)
        return code;
    judge(&lint);
    lint_tell(context, &lint.report, lint.format);
    if (lint.report.failed)
        context->exit_status = EXIT_FOUND;
    return ERR_OK;
}

static const CommandOption options[] = {
    {"since", 0, "REVISION", "what does not stand at or below it"},
    {"trace", 0, NULL, "run the revisions on a scratch database and tell what they did there"},
    {"url", 'u', "URL", "the server (PGTIDE_URL); its databases are left alone"},
    {"scratch-url", 0, "URL", "the server for scratch databases, instead of --url; means --trace"},
    {"format", 0, "FORMAT", "text (default), sarif (2.1.0) or github (annotations)"},
    {"fail-on", 0, "SEVERITY", "error (default), warning, note or never: what ends with 3"},
    {"set", 'x', "NAME=VALUE", "the value of a placeholder (repeatable)"},
    {0},
};

const CliCommand cmd_lint = {
    .words = "lint",
    .arguments = "[REVISION|RANGE|FILE]...",
    .arguments_max = SIZE_MAX,
    .summary = "tell what is dangerous in revisions, and the safe form of it",
    .details =
        "Looks at all revisions and repeatables, or at those that are named: revisions, ranges "
        "(A:B), "
        "files (*.sql), and with --since those that do not stand at or below one. Statements are "
        "read with PostgreSQL's own parser; what it does not know is said to be unknown, never "
        "bad. With --trace the revisions are run on a scratch database, made from template0 on the "
        "server of --scratch-url, --url or PGTIDE_URL, or on a temporary one that is started here; "
        "there PostgreSQL itself tells what is locked, read, built and written anew: false alarms "
        "are "
        "dropped, and what no parser can see is found.\n\n"
        "Rules, severities (`lint:` in pgtide.yaml) and `-- +ignore RULE: reason` are in "
        "docs/lint.md.\n\n"
        "Exit status: 0 nothing at or above fail-on; 3 something; 1 a revision that is not looked "
        "at fails on the scratch database; 2 wrong use or project; 6 the server can't be reached.",
    .options = options,
    .run = run,
};
