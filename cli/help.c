#include "cli.h"
#include "hazard.h"
#include "lint.h"
#include "lint_page.h"
#include "rollout_spec.h"
#include "rollouts_page.h"
#include "safe_migrations_page.h"

#include <stdio.h>
#include <string.h>

#define X(symbol) extern const CliCommand symbol;
#include "commands.def"
#undef X

static const CliCommand *const commands[] = {
#define X(symbol) &symbol,
#include "commands.def"
#undef X
    NULL,
};

const CliCommand *const *commands_all(void)
{
    return commands;
}

bool command_group_exists(const char *word)
{
    size_t length = strlen(word);
    for (const CliCommand *const *at = commands_all(); *at != NULL; at++) {
        if (strncmp((*at)->words, word, length) == 0 && (*at)->words[length] == ' ')
            return true;
    }
    return false;
}

static void help_line(const CliCommand *command)
{
    char usage[96];
    snprintf(usage, sizeof usage, "%s %s", command->words, command->arguments);
    printf("  %-38s %s\n", usage, command->summary);
}

void help_all(void)
{
    printf("pgtide %s: PostgreSQL migrations for one database and for a fleet\n\n"
           "Usage: pgtide COMMAND [OPTIONS] [ARGUMENTS]; `pgtide COMMAND --help` explains "
           "one.\n`pgtide help --markdown`, `--errors`, `--rollouts`, `--lint` and "
           "`--safe-migrations` print the reference pages."
           "\n\nOne database:\n",
           PGTIDE_VERSION);
    const char *group = "";
    for (const CliCommand *const *at = commands_all(); *at != NULL; at++) {
        size_t length = strcspn((*at)->words, " ");
        bool grouped = (*at)->words[length] == ' ';
        if (grouped && (strncmp(group, (*at)->words, length) != 0 || group[length] != ' ')) {
            printf("\n%c%.*s:\n", (*at)->words[0] - 32, (int)length - 1, (*at)->words + 1);
            group = (*at)->words;
        }
        help_line(*at);
    }
}

void help_group(const char *word)
{
    size_t length = strlen(word);
    for (const CliCommand *const *at = commands_all(); *at != NULL; at++) {
        if (strncmp((*at)->words, word, length) == 0 && (*at)->words[length] == ' ')
            help_line(*at);
    }
}

static void option_usage(const CommandOption *option, char *out, size_t size)
{
    char letter[6] = "";
    if (option->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    snprintf(out, size, "%s--%s%s%s", letter, option->name, option->argument != NULL ? " " : "",
             option->argument != NULL ? option->argument : "");
}

static void help_options(const CommandOption *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char usage[96];
        option_usage(options, usage, sizeof usage);
        printf("  %-30s %s\n", usage, options->help);
    }
}

void help_command(const CliCommand *command, const CommandOption *globals)
{
    printf("Usage: pgtide %s [OPTIONS]%s%s\n\n%c%s.\n", command->words,
           command->arguments[0] != '\0' ? " " : "", command->arguments,
           command->summary[0] - (command->summary[0] >= 'a' ? 32 : 0), command->summary + 1);
    if (command->details != NULL)
        printf("\n%s\n", command->details);
    if (command->options != NULL) {
        printf("\nOptions:\n");
        help_options(command->options);
    }
    printf("\nEverywhere:\n");
    help_options(globals);
}

static void markdown_options(const CommandOption *options)
{
    for (; options != NULL && options->name != NULL; options++) {
        char usage[96];
        option_usage(options, usage, sizeof usage);
        printf("| `%s` | %s |\n", usage, options->help);
    }
}

void help_markdown(const CommandOption *globals)
{
    printf(
        "# The command line\n\nMade by `pgtide help --markdown` from the commands' own tables.\n\n"
        "Options of every command:\n\n| option | meaning |\n|---|---|\n");
    markdown_options(globals);
    for (const CliCommand *const *at = commands_all(); *at != NULL; at++) {
        printf("\n## pgtide %s%s%s\n\n%c%s.\n", (*at)->words,
               (*at)->arguments[0] != '\0' ? " " : "", (*at)->arguments,
               (*at)->summary[0] - ((*at)->summary[0] >= 'a' ? 32 : 0), (*at)->summary + 1);
        if ((*at)->details != NULL)
            printf("\n%s\n", (*at)->details);
        if ((*at)->options != NULL) {
            printf("\n| option | meaning |\n|---|---|\n");
            markdown_options((*at)->options);
        }
    }
}

static const char *retry_words(RetryClass retry)
{
    switch (retry) {
    case RETRY_SAFE:
        return "yes";
    case RETRY_PROBE_FIRST:
        return "read the shard first";
    case RETRY_NEVER:
        break;
    }
    return "no";
}

void help_errors(void)
{
    printf("# Errors\n\nMade by `pgtide help --errors` from the table of errors in the code.\n\n"
           "The code stands in `error.code` with `--json`, in reports, logs and the coordinator's "
           "answers. \"Again\" says whether\nthe same command may be given again as it is. A "
           "message may come with a better hint than the one shown here.\n\n"
           "| code | exit status | again | meaning | hint |\n|---|---|---|---|---|\n");
    for (int code = ERR_OK + 1; code < ERR_COUNT; code++)
        printf("| `%s` | %d | %s | %s | %s |\n", err_code_name((ErrCode)code),
               err_exit_status((ErrCode)code), retry_words(err_retry_class((ErrCode)code)),
               err_code_text((ErrCode)code), err_default_hint((ErrCode)code));
}

void help_rollouts(void)
{
    AUTO_STR Str page = {0};
    rollout_spec_markdown(rollouts_page, &page);
    fputs(str_text(&page), stdout);
}

/* The page up to a line that stands for a table, and the table. The rest of the page. */
static const char *page_table(const char *page, const char *line, void (*write)(Str *out))
{
    const char *at = strstr(page, line);
    AUTO_STR Str table = {0};
    write(&table);
    printf("%.*s%s", (int)(at - page), page, str_text(&table));
    return at + strlen(line);
}

void help_safe_migrations(void)
{
    fputs(page_table(safe_migrations_page, "@FORMS@\n", hazards_markdown), stdout);
}

void help_lint(void)
{
    const char *rest = page_table(lint_page, "@RULES@\n", lint_markdown);
    fputs(page_table(rest, "@PEERS@\n", lint_peers_markdown), stdout);
}
