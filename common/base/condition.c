#include "condition.h"

#include <stdlib.h>
#include <string.h>

typedef struct Reader {
    const char *text;
    const char *at;
} Reader;

static void skip_spaces(Reader *reader)
{
    reader->at += strspn(reader->at, " \t\n");
}

static ErrCode expected(const Reader *reader, const char *what, Error *err)
{
    err_set(err, ERR_CONFIG, "expected %s at character %zu of '%.120s'", what,
            (size_t)(reader->at - reader->text) + 1, reader->text);
    err_hint(err, "Write for instance `result < 0.01` or `result >= 1 and result < 5`.");
    return ERR_CONFIG;
}

static bool is_word_end(char c)
{
    return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_');
}

static bool take_word(Reader *reader, const char *word)
{
    size_t length = strlen(word);
    skip_spaces(reader);
    if (strncmp(reader->at, word, length) != 0 || !is_word_end(reader->at[length]))
        return false;
    reader->at += length;
    return true;
}

static bool take_operator(Reader *reader, ConditionOperator *ret_op)
{
    /* longer ones first */
    static const struct {
        const char *text;
        ConditionOperator op;
    } operators[] = {
        {"<=", CONDITION_LESS_EQUAL}, {">=", CONDITION_GREATER_EQUAL}, {"==", CONDITION_EQUAL},
        {"!=", CONDITION_NOT_EQUAL},  {"<", CONDITION_LESS},           {">", CONDITION_GREATER},
    };
    skip_spaces(reader);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t length = strlen(operators[i].text);
        if (strncmp(reader->at, operators[i].text, length) != 0)
            continue;
        reader->at += length;
        *ret_op = operators[i].op;
        return true;
    }
    return false;
}

/* strtod() knows more than is meant: hexadecimal, infinity, NaN. */
static bool take_number(Reader *reader, double *ret_number)
{
    skip_spaces(reader);
    const char *digits = reader->at + (*reader->at == '-' || *reader->at == '+');
    char *end;
    if (digits[0] < '0' || digits[0] > '9' || digits[1] == 'x' || digits[1] == 'X')
        return false;
    *ret_number = strtod(reader->at, &end);
    if (!is_word_end(*end) || *end == '.')
        return false;
    reader->at = end;
    return true;
}

ErrCode condition_parse(const char *text, Condition *ret_condition, Error *err)
{
    Reader reader = {text, text};
    Condition condition = {0};
    bool alternative = true;
    for (;;) {
        if (condition.count == CONDITION_COMPARISONS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d comparisons", CONDITION_COMPARISONS_MAX);
        struct ConditionComparison *item = &condition.items[condition.count++];
        item->begins_alternative = alternative;
        if (!take_word(&reader, "result"))
            return expected(&reader, "`result`", err);
        if (!take_operator(&reader, &item->op))
            return expected(&reader, "one of < <= > >= == !=", err);
        if (!take_number(&reader, &item->number))
            return expected(&reader, "a number", err);
        skip_spaces(&reader);
        if (*reader.at == '\0')
            break;
        alternative = take_word(&reader, "or");
        if (!alternative && !take_word(&reader, "and"))
            return expected(&reader, "`and`, `or` or the end", err);
    }
    *ret_condition = condition;
    return ERR_OK;
}

static bool compare(const struct ConditionComparison *item, double result)
{
    bool less = result < item->number;
    bool greater = result > item->number;
    switch (item->op) {
    case CONDITION_LESS:
        return less;
    case CONDITION_LESS_EQUAL:
        return !greater;
    case CONDITION_GREATER:
        return greater;
    case CONDITION_GREATER_EQUAL:
        return !less;
    case CONDITION_EQUAL:
        return !less && !greater;
    case CONDITION_NOT_EQUAL:
        return less || greater;
    }
    return false;
}

bool condition_holds(const Condition *condition, double result)
{
    bool holds = false;
    if (result != result)
        return false; /* NaN */
    for (size_t i = 0; i < condition->count; i++) {
        const struct ConditionComparison *item = &condition->items[i];
        if (item->begins_alternative && holds)
            return true;
        holds = (item->begins_alternative || holds) && compare(item, result);
    }
    return holds;
}
