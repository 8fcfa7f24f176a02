/*
 * Inside of the command line's frame: main.c (dispatch), help.c (the table as help), output.c
 * (results and errors).
 */
#pragma once

#include "command.h"

/* Every command, ended by NULL. */
const CliCommand *const *commands_all(void);
bool command_group_exists(const char *word); /* some command's first of several words */

void help_all(void);
void help_group(const char *word);
void help_command(const CliCommand *command, const CommandOption *globals);
void help_markdown(const CommandOption *globals); /* docs/cli.md */
void help_rollouts(void);                         /* docs/rollouts.md */
void help_safe_migrations(void);                  /* docs/safe-migrations.md */
void help_lint(void);                             /* docs/lint.md */
void help_errors(void);                           /* docs/errors.md */

/* Prints the result object or the error; returns the exit status. */
int output_finish(CommandContext *context, ErrCode code, const Error *err, bool json);
