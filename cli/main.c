/*
 * pgtide: finds the command, reads its options, runs it, and says how it ended.
 */
#include "cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 40, WORDS_MAX = 3 };

static void on_signal(int number)
{
    interrupted_by = number;
}

static const CommandOption global_options[] = {
    {"config", 'c', "FILE", "the project's file (PGTIDE_CONFIG; default pgtide.yaml)"},
    {"json", 0, NULL, "print one JSON object for programs"},
    {"quiet", 'q', NULL, "print errors only"},
    {"no-color", 0, NULL, "no colours (NO_COLOR)"},
    {"help", 'h', NULL, "show this help"},
    {0},
};

static size_t options_count(const CommandOption *options)
{
    size_t count = 0;
    while (options != NULL && options[count].name != NULL)
        count++;
    return count;
}

/* Underscores stand for hyphens, as in Alembic's names. */
static bool same_word(const char *given, const char *word, size_t length)
{
    if (strlen(given) != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        char c = given[i] == '_' ? '-' : given[i];
        if (c != word[i])
            return false;
    }
    return true;
}

/* How many of argv's words the command's words take, or 0. */
static size_t command_matches(const CliCommand *command, char **words, size_t count)
{
    const char *at = command->words;
    size_t used = 0;
    while (*at != '\0') {
        size_t length = strcspn(at, " ");
        if (used == count || !same_word(words[used], at, length))
            return 0;
        used++;
        at += length;
        at += *at == ' ';
    }
    return used;
}

static const CliCommand *command_find(char **words, size_t count, size_t *ret_used)
{
    for (const CliCommand *const *at = commands_all(); *at != NULL; at++) {
        size_t used = command_matches(*at, words, count);
        if (used > 0) {
            *ret_used = used;
            return *at;
        }
    }
    return NULL;
}

static ErrCode command_unknown(char **words, size_t count, Error *err)
{
    char given[128];
    bool group = count > 1 && words[1][0] != '-' && command_group_exists(words[0]);
    snprintf(given, sizeof given, "%s%s%s", words[0], group ? " " : "", group ? words[1] : "");
    const char *names[128];
    size_t known = 0;
    for (const CliCommand *const *at = commands_all(); *at != NULL && known < 128; at++)
        names[known++] = (*at)->words;
    if (count == 1 && command_group_exists(words[0])) {
        err_set(err, ERR_USAGE, "'%s' needs a second word", words[0]);
        err_hint(err, "`pgtide %s --help` lists them.", words[0]);
        return ERR_USAGE;
    }
    const char *nearest = str_nearest(given, names, known);
    if (nearest == NULL && count > 1) { /* the first word may be the wrong one of two */
        char both[128];
        snprintf(both, sizeof both, "%s %s", words[0], words[1]);
        nearest = str_nearest(both, names, known);
    }
    err_set(err, ERR_USAGE, "unknown command '%s'", given);
    if (nearest != NULL)
        err_hint(err, "Did you mean `pgtide %s`? `pgtide --help` lists the commands.", nearest);
    else
        err_hint(err, "`pgtide --help` lists the commands.");
    return ERR_USAGE;
}

/* getopt_long's table for the command's options and the global ones. */
static size_t long_options(const CliCommand *command, struct option *table, char *letters,
                           const CommandOption **rows)
{
    size_t count = 0;
    size_t letter_count = 0;
    letters[letter_count++] = ':';
    const CommandOption *sources[] = {command->options, global_options};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < options_count(sources[s]) && count < OPTIONS_MAX - 1; i++) {
            const CommandOption *row = &sources[s][i];
            rows[count] = row;
            table[count] =
                (struct option){row->name, row->argument != NULL ? required_argument : no_argument,
                                NULL, 256 + (int)count};
            count++;
            if (row->letter != 0) {
                letters[letter_count++] = row->letter;
                if (row->argument != NULL)
                    letters[letter_count++] = ':';
            }
        }
    }
    letters[letter_count] = '\0';
    table[count] = (struct option){0};
    return count;
}

static ErrCode option_unknown(const CliCommand *command, const char *given,
                              const CommandOption **rows, size_t count, Error *err)
{
    const char *names[OPTIONS_MAX];
    for (size_t i = 0; i < count; i++)
        names[i] = rows[i]->name;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(given, "="), given);
    const char *nearest =
        word[0] == '-' && word[1] == '-' ? str_nearest(word + 2, names, count) : NULL;
    err_set(err, ERR_USAGE, "unknown option '%s' for `pgtide %s`", word, command->words);
    if (nearest != NULL)
        err_hint(err, "Did you mean --%s? `pgtide %s --help` lists the options.", nearest,
                 command->words);
    return ERR_USAGE;
}

/* "-1" is a target, not an option: getopt sees it behind a byte that begins no option. */
enum { TARGET_MARK = '\x01' };

static bool is_relative_target(const char *text)
{
    return text[0] == '-' && text[1] != '\0' && text[1 + strspn(text + 1, "0123456789")] == '\0';
}

static const char *unmarked(const char *text)
{
    return text != NULL && text[0] == TARGET_MARK ? text + 1 : text;
}

static void option_add(CommandContext *context, const char *name, const char *value)
{
    context->option_names[context->option_count] = name;
    context->option_values[context->option_count] = value == NULL ? "" : value;
    context->option_count++;
}

static ErrCode options_read(CommandContext *context, int argc, char **argv, Error *err)
{
    struct option table[OPTIONS_MAX];
    const CommandOption *rows[OPTIONS_MAX];
    char letters[3 * OPTIONS_MAX];
    size_t count = long_options(context->command, table, letters, rows);
    context->option_names = ARENA_ARRAY(context->arena, const char *, argc + 1);
    context->option_values = ARENA_ARRAY(context->arena, const char *, argc + 1);
    char **marked = ARENA_ARRAY(context->arena, char *, argc + 1);
    for (int i = 0; i < argc; i++)
        marked[i] = i > 0 && is_relative_target(argv[i])
                        ? arena_printf(context->arena, "%c%s", TARGET_MARK, argv[i])
                        : argv[i];
    opterr = 0;
    int value;
    while ((value = getopt_long(argc, marked, letters, table, NULL)) != -1) {
        const CommandOption *row = value >= 256 ? rows[value - 256] : NULL;
        for (size_t i = 0; row == NULL && value != '?' && value != ':' && i < count; i++) {
            if (rows[i]->letter == value)
                row = rows[i];
        }
        if (row == NULL && value == ':')
            return err_set(err, ERR_USAGE, "option '%s' needs a value", marked[optind - 1]);
        if (row == NULL)
            return option_unknown(context->command, marked[optind - 1], rows, count, err);
        option_add(context, row->name, row->argument != NULL ? unmarked(optarg) : NULL);
    }
    for (int i = optind; i < argc; i++)
        strlist_add(context->arena, &context->arguments, unmarked(marked[i]));
    return ERR_OK;
}

static ErrCode arguments_check(const CommandContext *context, Error *err)
{
    const CliCommand *command = context->command;
    size_t count = context->arguments.count;
    if (count >= command->arguments_min && count <= command->arguments_max)
        return ERR_OK;
    if (count < command->arguments_min)
        err_set(err, ERR_USAGE, "`pgtide %s` needs %s", command->words, command->arguments);
    else
        err_set(err, ERR_USAGE, "unexpected argument '%s'",
                context->arguments.items[command->arguments_max]);
    err_hint(err, "Usage: pgtide %s %s", command->words, command->arguments);
    return ERR_USAGE;
}

static ErrCode command_run(CommandContext *context, int argc, char **argv, Error *err)
{
    ErrCode code = options_read(context, argc, argv, err);
    context->json = context_has(context, "json");
    context->quiet = context_has(context, "quiet");
    context->config = context_option(context, "config");
    context->colour =
        context->terminal && !context_has(context, "no-color") && getenv("NO_COLOR") == NULL;
    if (code != ERR_OK)
        return code;
    if (context_has(context, "help")) {
        help_command(context->command, global_options);
        return ERR_OK;
    }
    code = arguments_check(context, err);
    if (code != ERR_OK)
        return code;
    return context->command->run(context, err);
}

/* The flag may stand behind what was wrong, so getopt may not have seen it. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            return true;
    }
    return false;
}

static bool takes_value(const CommandOption *options, const char *given)
{
    for (size_t i = 0; i < options_count(options); i++) {
        const CommandOption *row = &options[i];
        bool same = given[1] == '-' ? strcmp(given + 2, row->name) == 0
                                    : given[1] == row->letter && given[2] == '\0';
        if (same && row->argument != NULL)
            return true;
    }
    return false;
}

/* How many of argv's words before the command are options, of every command or, as with Alembic's
 * `-x NAME=VALUE`, of the one that follows. */
static int leading_options(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        bool takes_next = takes_value(global_options, argv[at]);
        for (const CliCommand *const *command = commands_all(); *command != NULL; command++)
            takes_next = takes_next || takes_value((*command)->options, argv[at]);
        at += takes_next && at + 1 < argc ? 2 : 1;
    }
    return at - 1;
}

/* `pgtide help [WORDS]` and its reference pages. */
static ErrCode help_run(int count, char **words, Error *err)
{
    size_t used = 0;
    if (count == 0) {
        help_all();
    } else if (strcmp(words[0], "--markdown") == 0) {
        help_markdown(global_options);
    } else if (strcmp(words[0], "--errors") == 0) {
        help_errors();
    } else if (strcmp(words[0], "--rollouts") == 0) {
        help_rollouts();
    } else if (strcmp(words[0], "--lint") == 0) {
        help_lint();
    } else if (strcmp(words[0], "--safe-migrations") == 0) {
        help_safe_migrations();
    } else {
        const CliCommand *command = command_find(words, (size_t)count, &used);
        if (command != NULL)
            help_command(command, global_options);
        else if (command_group_exists(words[0]))
            help_group(words[0]);
        else
            return command_unknown(words, (size_t)count, err);
    }
    return ERR_OK;
}

static ErrCode run(CommandContext *context, int argc, char **argv, Error *err)
{
    if (argc < 2) {
        help_all();
        return err_set(err, ERR_USAGE, "no command given");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return help_run(0, NULL, err);
    if (strcmp(argv[1], "help") == 0)
        return help_run(argc - 2, argv + 2, err);
    if (strcmp(argv[1], "--version") == 0) {
        printf("pgtide %s\n", PGTIDE_VERSION);
        return ERR_OK;
    }
    int leading = leading_options(argc, argv);
    char **words = argv + 1 + leading;
    int count = argc - 1 - leading;
    size_t used = 0;
    if (count == 0)
        return err_set(err, ERR_USAGE, "no command given");
    context->command = command_find(words, (size_t)count, &used);
    if (context->command == NULL && count >= 2 && command_group_exists(words[0]) &&
        strcmp(words[1], "--help") == 0) {
        help_group(words[0]);
        return ERR_OK;
    }
    if (context->command == NULL)
        return command_unknown(words, (size_t)count, err);
    /* options in front are read like those behind the command's words */
    int rest = count - (int)used;
    char **arguments = ARENA_ARRAY(context->arena, char *, argc + 1);
    arguments[0] = argv[0];
    memcpy(arguments + 1, argv + 1, (size_t)leading * sizeof *argv);
    memcpy(arguments + 1 + leading, words + used, (size_t)rest * sizeof *argv);
    return command_run(context, 1 + leading + rest, arguments, err);
}

int main(int argc, char **argv)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    AUTO_ARENA Arena *arena = arena_new();
    CommandContext context = {.arena = arena, .terminal = isatty(STDOUT_FILENO) == 1};
    Error err = {0};
    ErrCode code = run(&context, argc, argv, &err);
    int status = output_finish(&context, code, &err, wants_json(argc, argv));
    str_free(&context.json_result);
    if (context.given_up) { /* returning would wait for its threads */
        fflush(NULL);
        _exit(status);
    }
    return status;
}
