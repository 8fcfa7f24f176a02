/*
 * What a command is. Each cmd_*.c defines one `const CliCommand cmd_<words>`; commands.def lists
 * them. The same rows make dispatch, --help and docs/cli.md.
 */
#pragma once

#include "arena.h"
#include "json.h"
#include "str.h"

#include <signal.h>

typedef struct CommandContext CommandContext;

typedef struct CommandOption {
    const char *name;     /* long name without dashes */
    char letter;          /* short form; 0 = none */
    const char *argument; /* what it takes, for the help ("FILE"); NULL = a switch */
    const char *help;
} CommandOption;

typedef struct CliCommand {
    const char *words;     /* "rollout plan" */
    const char *arguments; /* "FILE", "[TARGET]" ; '' = none */
    size_t arguments_min;
    size_t arguments_max;
    const char *summary;          /* one line, lower case, no period */
    const char *details;          /* paragraphs for --help; NULL = none */
    const CommandOption *options; /* ended by a row with name NULL; NULL = none */
    ErrCode (*run)(CommandContext *context, Error *err);
} CliCommand;

/* Given when the command's outcome is no error but its exit status is not 0 (a rollout that was
 * rolled back). */
struct CommandContext {
    Arena *arena;
    const CliCommand *command;
    StrList arguments;
    bool json;
    bool quiet;
    bool colour;        /* stdout is a terminal and colours are wanted */
    bool terminal;      /* stdout is a terminal */
    const char *config; /* --config; NULL = default */
    int exit_status;    /* set by a command for an ending that is not an error */
    bool given_up;      /* threads may be stuck in calls that nobody waits for any more */
    const char **option_names;
    const char **option_values;
    size_t option_count;
    Str json_result; /* the `result` value, when --json: filled through context_json */
};

/* The last value given for an option, or NULL. A switch that was given has the value "". */
const char *context_option(const CommandContext *context, const char *name);
bool context_has(const CommandContext *context, const char *name);
/* Every value given, in order. */
StrList context_options(CommandContext *context, const char *name);
const char *context_argument(const CommandContext *context, size_t index); /* or NULL */
/* A duration option in ms: `fallback_ms` when absent. */
ErrCode context_duration(const CommandContext *context, const char *name, uint64_t fallback_ms,
                         uint64_t *ret_ms, Error *err) MUST_CHECK;
/* A whole number from 1 to `most`: `fallback` when absent. */
ErrCode context_number(const CommandContext *context, const char *name, uint32_t fallback,
                       uint32_t most, uint32_t *ret_number, Error *err) MUST_CHECK;

/* A line for people on stdout; nothing with --json or --quiet. */
void say(CommandContext *context, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A remark on stderr ("pgtide: note: …"). */
void note(CommandContext *context, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* An error on stderr, for a command that goes on behind it; nothing in it steers a terminal. */
void show_error(const Error *err);
/* A text of somebody else's for one line of ours: nothing in it steers a terminal. */
const char *plain_text(Arena *arena, const char *text);
/* An error as the value of a JSON key. */
void write_error(JsonWriter *json, const Error *err);
/* With --json and a command that streams: prints one object with this result and clears it. */
void context_json_flush(CommandContext *context);
/* The writer of the `result` value; write exactly one value into it. */
JsonWriter context_json(CommandContext *context);

/* Set by SIGINT or SIGTERM: the signal's number. Commands that wait look at it. */
extern volatile sig_atomic_t interrupted_by;
