/*
 * Commands: each cmd_<verb>.c defines one `const Command cmd_<verb>` (or a few), commands.def lists
 * them, and that table makes dispatch, --help and docs/cli.md.
 *
 *   static const CommandOption options[] = {
 *       {.name = "message", .letter = 'm', .argument = "TEXT", .help = "what the revision does"},
 *       {0},
 *   };
 *   static ErrCode run(CommandContext *ctx, Error *err) { ... }
 *   const Command cmd_revision = {.words = "revision", .summary = "...", .options = options,
 *                                 .run = run};
 *
 * A command returns ERR_OK after it has said its result (output.h), or describes an error and
 * returns its code; main prints it and exits with the code's status.
 */
#pragma once

#include "project.h"

typedef struct CommandContext CommandContext;

typedef struct CommandOption {
    const char *name;     /* long form without dashes */
    char letter;          /* short form; 0 = none */
    const char *argument; /* "FILE"; NULL = a flag */
    const char *help;     /* lower case, no period */
    bool repeated;        /* may be given several times: cmd_options() */
    bool hidden;          /* not in --help; kept for Alembic's sake */
} CommandOption;

typedef struct Command {
    const char *words;     /* "heads", "bundle build", "ensure-version" */
    const char *arguments; /* for usage: "REV", "FILE...", "[REV]"; NULL = none */
    const char *summary;   /* one line, capital, no period */
    const char *details;   /* paragraphs for --help; NULL = none */
    size_t args_min;
    size_t args_max;              /* 0 = none, COMMAND_ARGS_ANY = as many as there are */
    const CommandOption *options; /* ended by a row without a name; NULL = none */
    ErrCode (*run)(CommandContext *ctx, Error *err);
} Command;

enum { COMMAND_ARGS_ANY = 10000 };

typedef struct CommandOptionValue {
    const CommandOption *option;
    const char *value; /* '' for a flag */
} CommandOptionValue;

struct CommandContext {
    Arena *arena; /* dropped after the command */
    const Command *command;
    StrList args; /* what is neither option nor command word */
    CommandOptionValue *values;
    size_t value_count;
    bool json;          /* --json: write the result with output_result() and print nothing else */
    bool quiet;         /* --quiet */
    bool color;         /* use of colors on stdout */
    const char *config; /* --config; NULL = look where project_find() looks */
    int exit_status;    /* 0; a command may set another for a result that is no error (3, 4) */
    struct Output *output;
};

/* The last value of an option; NULL when it was not given, '' for a flag. Asking for one that is
 * not in the command's table is a defect (assert). */
const char *cmd_option(const CommandContext *ctx, const char *name);
/* The option, else the environment variable when it is set and not empty, else NULL. */
const char *cmd_option_env(const CommandContext *ctx, const char *name, const char *variable);
bool cmd_flag(const CommandContext *ctx, const char *name);
StrList cmd_options(const CommandContext *ctx, const char *name); /* all values in order */
/* Numbers and durations ("500ms", "30s"); untouched when the option was not given. ERR_USAGE. */
ErrCode cmd_option_uint(const CommandContext *ctx, const char *name, uint64_t min, uint64_t max,
                        uint64_t *ret_value, Error *err) MUST_CHECK;
ErrCode cmd_option_duration(const CommandContext *ctx, const char *name, uint64_t *ret_ms,
                            Error *err) MUST_CHECK;

/* The project (--config, PGTIDE_CONFIG, ./pgtide.yaml), and its revisions. Live in ctx->arena. */
ErrCode cmd_project(const CommandContext *ctx, Project *out, Error *err) MUST_CHECK;
ErrCode cmd_revisions(const CommandContext *ctx, Project *out, RevisionMap **ret_map,
                      Error *err) MUST_CHECK;

/* SIGINT or SIGTERM once it arrived, else 0. Long work looks at it and returns ERR_INTERRUPTED; a
 * second signal ends the process at once. Handlers are installed without SA_RESTART. */
int cmd_interrupted(void);

/* The table. */
const Command *const *command_table(size_t *ret_count); /* in the order of commands.def */
/* The command that `argv` begins with and how many words that took; ERR_USAGE with the nearest. */
ErrCode command_find(const char *const *argv, size_t count, const Command **ret_command,
                     size_t *ret_words, Error *err) MUST_CHECK;
