#include "import_command.h"

#include <string.h>

typedef struct Refusal {
    const char *words; /* separated and enclosed by blanks */
    const char *text;
} Refusal;

/* Commands that print, or set up what psql prints and how it stops. */
static const char harmless[] =
    " echo qecho warn timing pset x a t H html o conninfo encoding restrict unrestrict unset r p"
    " reset print prompt1 errverbose h help copyright l list z sf sv ";

/* Variables of psql's own that change nothing in the database. */
static const char own_variables[] =
    " ON_ERROR_STOP ON_ERROR_ROLLBACK ECHO ECHO_HIDDEN ECHO_ERRORS QUIET VERBOSITY SHOW_CONTEXT"
    " PROMPT1 PROMPT2 PROMPT3 HISTFILE HISTCONTROL HISTSIZE COMP_KEYWORD_CASE ENCODING TIMING"
    " SHOW_ALL_RESULTS ";

static const Refusal refusals[] = {
    {" i ir include include_relative ", "includes another file: put that file's content here"},
    {" copy ", "\\copy reads a file on psql's side: write the rows behind COPY ... FROM STDIN"},
    {" c connect ", "\\connect goes to another database: a revision stays in its own"},
    {" set ", "\\set makes a psql variable: write its value, or declare a placeholder"},
    {" if elif else endif ", "psql's \\if decides what runs: write the part that applies"},
    {" g gx gexec gset gdesc crosstabview watch bind ",
     "runs or keeps a result in psql: write the statement it comes to"},
    {" q quit ", "\\q ends the file here: take out what follows"},
    {" ! ", "runs a program beside psql: a revision is SQL only"},
};

static bool is_listed(const char *list, const char *word, size_t length)
{
    char enclosed[40];
    if (length == 0 || length > sizeof enclosed - 3)
        return false;
    enclosed[0] = ' ';
    memcpy(enclosed + 1, word, length);
    memcpy(enclosed + 1 + length, " ", 2);
    return strstr(list, enclosed) != NULL;
}

static size_t word_length(const char *at, const char *end)
{
    size_t length = 0;
    while (at + length < end && strchr(" \t\r\n", at[length]) == NULL)
        length++;
    return length;
}

const char *command_refusal(const char *line, size_t length, bool last)
{
    const char *end = line + length;
    const char *word = line + 1;
    size_t size = word_length(word, end);
    if (size > 0 && *word == '!')
        size = 1;
    bool ends = size > 0 && *word == 'q' && (size == 1 || is_listed(" quit ", word, size));
    if (is_listed(harmless, word, size) || (ends && last) || (size > 0 && *word == 'd'))
        return NULL;
    if (is_listed(" set ", word, size)) {
        const char *name = word + size;
        while (name < end && (*name == ' ' || *name == '\t'))
            name++;
        if (name == end || is_listed(own_variables, name, word_length(name, end)))
            return NULL;
    }
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (is_listed(refusals[i].words, word, size))
            return refusals[i].text;
    }
    return "a psql command: only SQL runs on shards; put what it did into SQL";
}
