/*
 * What commands say. Human text goes to stdout, notes and errors to stderr. With --json stdout
 * carries one object (or, for streams, one a line) and nothing else.
 *
 * Control characters in texts are escaped, so that what comes from a server, a file or an agent
 * can't move the terminal's cursor. The STYLE_ markers are the only way to colors.
 */
#pragma once

#include "command.h"
#include "json.h"

#define STYLE_BOLD "\x01"
#define STYLE_RED "\x02"
#define STYLE_GREEN "\x03"
#define STYLE_YELLOW "\x04"
#define STYLE_DIM "\x05"
#define STYLE_END "\x06"

/* Result text for people; nothing with --json. The newline is the caller's. */
void output_text(CommandContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A remark on stderr ("pgtide: ..."); nothing with --quiet or --json. */
void output_note(CommandContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The same, said even with --quiet: "pgtide: warning: ...". */
void output_warning(CommandContext *ctx, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * With --json: the writer stands where the value of "result" goes; write exactly one value. It is
 * printed when the command returns ERR_OK, and dropped for the error's object otherwise.
 */
JsonWriter *output_result(CommandContext *ctx);
/* Prints the result written so far as one line and starts over: for streams. */
void output_result_flush(CommandContext *ctx);

/* Bytes as they are (a document, a file): not escaped. */
void output_raw(CommandContext *ctx, const char *bytes, size_t length);

/* Columns: rows of cells are aligned and printed with output_table_end. Nothing with --json. */
typedef struct OutputTable OutputTable;
OutputTable *output_table_begin(CommandContext *ctx, const char *const *titles, size_t columns);
void output_table_cell(OutputTable *table, const char *fmt, ...) PRINTF_LIKE(2, 3);
void output_table_end(OutputTable *table);
