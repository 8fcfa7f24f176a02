/*
 * Recursive descent over a short text:
 *   or   := and ("or" and)*
 *   and  := not ("and" not)*
 *   not  := "not" not | "(" or ")" | term
 *   term := key | key ("=" | "!=" | "<" | "<=" | ">" | ">=") word
 *         | key ["not"] "in" "(" word ("," word)* ")"
 */
#include "select.h"

#include "named_limits.h"
#include "select_field.h"

#include <string.h>

enum { SELECT_DEPTH_MAX = 100 };

typedef enum NodeKind {
    NODE_ALL,
    NODE_AND,
    NODE_OR,
    NODE_NOT,
    NODE_PRESENT,
    NODE_IN,
    NODE_BELOW,
    NODE_ABOVE,
} NodeKind;

struct Selection {
    NodeKind kind;
    const struct Selection *left;
    const struct Selection *right;
    SelectField field;
    const char *key; /* field LABEL */
    StrList values;
    SelectNumber *numbers; /* of the values, where the field is a number */
};

typedef enum TokenKind { TOKEN_END, TOKEN_WORD, TOKEN_QUOTED, TOKEN_SYMBOL, TOKEN_BAD } TokenKind;

typedef struct Token {
    TokenKind kind;
    const char *text; /* a word without its quotes, or the symbol */
    size_t column;    /* from 1 */
} Token;

typedef struct Parser {
    const char *start;
    const char *at;
    Arena *arena;
    Token token;
    unsigned depth;
    Error *err;
} Parser;

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./-", c) != NULL);
}

static void read_quoted(Parser *parser)
{
    char quote = *parser->at;
    const char *end = strchr(parser->at + 1, quote);
    if (end == NULL) {
        parser->token.kind = TOKEN_BAD;
        parser->token.text = "a quote that is not closed";
        return;
    }
    parser->token.kind = TOKEN_QUOTED;
    parser->token.text =
        arena_strndup(parser->arena, parser->at + 1, (size_t)(end - parser->at) - 1);
    parser->at = end + 1;
}

static void next_token(Parser *parser)
{
    while (*parser->at == ' ' || *parser->at == '\t' || *parser->at == '\n' || *parser->at == '\r')
        parser->at++;
    const char *at = parser->at;
    parser->token =
        (Token){.kind = TOKEN_END, .text = "the end", .column = (size_t)(at - parser->start) + 1};
    if (*at == '\0')
        return;
    if (*at == '\'' || *at == '"') {
        read_quoted(parser);
        return;
    }
    size_t length = 0;
    while (is_word_char(at[length]))
        length++;
    parser->token.kind = TOKEN_WORD;
    if (length == 0) {
        bool two = at[1] == '=' && strchr("!<>", *at) != NULL;
        length = two ? 2 : 1;
        bool known = two || strchr("(),=<>", *at) != NULL;
        parser->token.kind = known ? TOKEN_SYMBOL : TOKEN_BAD;
    }
    parser->token.text = arena_strndup(parser->arena, at, length);
    parser->at = at + length;
}

static bool is_symbol(const Parser *parser, const char *symbol)
{
    return parser->token.kind == TOKEN_SYMBOL && strcmp(parser->token.text, symbol) == 0;
}

static bool is_keyword(const Parser *parser, const char *keyword)
{
    return parser->token.kind == TOKEN_WORD && strcmp(parser->token.text, keyword) == 0;
}

static bool is_any_keyword(const Parser *parser)
{
    return is_keyword(parser, "and") || is_keyword(parser, "or") || is_keyword(parser, "not") ||
           is_keyword(parser, "in");
}

static ErrCode expected(const Parser *parser, const char *what)
{
    return err_set(parser->err, ERR_USAGE, "selection, column %zu: expected %s, found %s",
                   parser->token.column, what, parser->token.text);
}

static ErrCode take_word(Parser *parser, const char *what, const char **ret_word)
{
    bool quoted = parser->token.kind == TOKEN_QUOTED;
    if (!quoted && (parser->token.kind != TOKEN_WORD || is_any_keyword(parser)))
        return expected(parser, what);
    *ret_word = parser->token.text;
    next_token(parser);
    return ERR_OK;
}

static ErrCode parse_or(Parser *parser, const Selection **ret_node);

static const Selection *make_node(Parser *parser, NodeKind kind, const Selection *left,
                                  const Selection *right)
{
    Selection *node = ARENA_NEW(parser->arena, Selection);
    node->kind = kind;
    node->left = left;
    node->right = right;
    return node;
}

/* A word that the field can have. */
static ErrCode take_value(Parser *parser, Selection *node)
{
    const char *word = NULL;
    size_t column = parser->token.column;
    ErrCode code = take_word(parser, "a value", &word);
    if (code != ERR_OK)
        return code;
    SelectNumber number = {0};
    const char *wanted = NULL;
    if (!select_field_reads(node->field, word, &number, &wanted))
        return err_set(parser->err, ERR_USAGE, "selection, column %zu: expected %s, found %.80s",
                       column, wanted, word);
    size_t count = node->values.count;
    node->numbers = arena_grow(parser->arena, node->numbers, count, count + 1, sizeof number);
    node->numbers[count] = number;
    strlist_add(parser->arena, &node->values, word);
    return ERR_OK;
}

static ErrCode parse_list(Parser *parser, Selection *node)
{
    if (!is_symbol(parser, "("))
        return expected(parser, "( after in");
    do {
        next_token(parser);
        ErrCode code = take_value(parser, node);
        if (code != ERR_OK)
            return code;
    } while (is_symbol(parser, ","));
    if (!is_symbol(parser, ")"))
        return expected(parser, ", or )");
    next_token(parser);
    return ERR_OK;
}

/* >= is not the opposite of <: what is not known is neither. */
static ErrCode parse_order(Parser *parser, Selection *node, const Selection **ret_node)
{
    bool below = parser->token.text[0] == '<';
    bool or_equal = parser->token.text[1] == '=';
    if (!select_field_is_number(node->field))
        return err_set(parser->err, ERR_USAGE,
                       "selection, column %zu: only version and size can be compared with %s",
                       parser->token.column, parser->token.text);
    next_token(parser);
    ErrCode code = take_value(parser, node);
    if (code != ERR_OK)
        return code;
    node->kind = below ? NODE_BELOW : NODE_ABOVE;
    *ret_node = node;
    if (or_equal) {
        Selection *equal = ARENA_NEW(parser->arena, Selection);
        *equal = *node;
        equal->kind = NODE_IN;
        *ret_node = make_node(parser, NODE_OR, node, equal);
    }
    return ERR_OK;
}

static ErrCode parse_term(Parser *parser, const Selection **ret_node)
{
    Selection *node = ARENA_NEW(parser->arena, Selection);
    const char *key = NULL;
    bool quoted = parser->token.kind == TOKEN_QUOTED;
    node->kind = NODE_IN;
    ErrCode code = take_word(parser, "a key, not or (", &key);
    if (code != ERR_OK)
        return code;
    node->field = quoted ? SELECT_LABEL : select_field_of(&key);
    node->key = key;
    bool negated = false;
    if (is_symbol(parser, "=") || is_symbol(parser, "!=")) {
        negated = is_symbol(parser, "!=");
        next_token(parser);
        code = take_value(parser, node);
    } else if (is_symbol(parser, "<") || is_symbol(parser, "<=") || is_symbol(parser, ">") ||
               is_symbol(parser, ">=")) {
        return parse_order(parser, node, ret_node);
    } else if (is_keyword(parser, "in") || is_keyword(parser, "not")) {
        negated = is_keyword(parser, "not");
        if (negated)
            next_token(parser);
        if (!is_keyword(parser, "in"))
            return expected(parser, "in after not");
        next_token(parser);
        code = parse_list(parser, node);
    } else {
        node->kind = NODE_PRESENT;
    }
    if (code == ERR_OK)
        *ret_node = negated ? make_node(parser, NODE_NOT, node, NULL) : node;
    return code;
}

static ErrCode parse_not(Parser *parser, const Selection **ret_node)
{
    if (parser->depth == SELECT_DEPTH_MAX)
        return err_set(parser->err, ERR_LIMIT, "selection, column %zu: nested too deep",
                       parser->token.column);
    ErrCode code;
    parser->depth++;
    if (is_keyword(parser, "not")) {
        next_token(parser);
        const Selection *inner = NULL;
        code = parse_not(parser, &inner);
        if (code == ERR_OK)
            *ret_node = make_node(parser, NODE_NOT, inner, NULL);
    } else if (is_symbol(parser, "(")) {
        next_token(parser);
        code = parse_or(parser, ret_node);
        if (code == ERR_OK && !is_symbol(parser, ")"))
            code = expected(parser, ")");
        if (code == ERR_OK)
            next_token(parser);
    } else {
        code = parse_term(parser, ret_node);
    }
    parser->depth--;
    return code;
}

static ErrCode parse_and(Parser *parser, const Selection **ret_node)
{
    const Selection *left = NULL;
    ErrCode code = parse_not(parser, &left);
    while (code == ERR_OK && is_keyword(parser, "and")) {
        next_token(parser);
        const Selection *right = NULL;
        code = parse_not(parser, &right);
        left = make_node(parser, NODE_AND, left, right);
    }
    if (code == ERR_OK)
        *ret_node = left;
    return code;
}

static ErrCode parse_or(Parser *parser, const Selection **ret_node)
{
    const Selection *left = NULL;
    ErrCode code = parse_and(parser, &left);
    while (code == ERR_OK && is_keyword(parser, "or")) {
        next_token(parser);
        const Selection *right = NULL;
        code = parse_and(parser, &right);
        left = make_node(parser, NODE_OR, left, right);
    }
    if (code == ERR_OK)
        *ret_node = left;
    return code;
}

ErrCode select_parse(const char *text, Arena *arena, const Selection **ret_selection, Error *err)
{
    if (strlen(text) > LIMIT_TEXT_BYTES)
        return err_set(err, ERR_LIMIT, "a selection is at most %d bytes", LIMIT_TEXT_BYTES);
    Parser parser = {.start = text, .at = text, .arena = arena, .err = err};
    next_token(&parser);
    if (parser.token.kind == TOKEN_END) {
        *ret_selection = make_node(&parser, NODE_ALL, NULL, NULL);
        return ERR_OK;
    }
    const Selection *root = NULL;
    ErrCode code = parse_or(&parser, &root);
    if (code == ERR_OK && parser.token.kind != TOKEN_END)
        code = expected(&parser, "and, or, or the end");
    if (code == ERR_OK)
        *ret_selection = root;
    return code;
}

static bool is_present(const Selection *selection, const SelectTarget *target)
{
    if (selection->field == SELECT_ROWS)
        return target->rows->count > 0;
    if (select_field_is_number(selection->field))
        return select_field_number(selection->field, target) != 0;
    const char *value = select_field_text(selection->field, selection->key, target);
    return value != NULL && value[0] != '\0' && strcmp(value, "false") != 0;
}

static bool is_in(const Selection *selection, const SelectTarget *target)
{
    const StrList *values = &selection->values;
    if (selection->field == SELECT_ROWS) {
        for (size_t i = 0; i < values->count; i++)
            if (strlist_has(target->rows, values->items[i]))
                return true;
        return false;
    }
    if (select_field_is_number(selection->field)) {
        for (size_t i = 0; i < values->count; i++)
            if (select_field_compare(selection->field, target, &selection->numbers[i]) ==
                SELECT_EQUAL)
                return true;
        return false;
    }
    const char *value = select_field_text(selection->field, selection->key, target);
    return value != NULL && strlist_has(values, value);
}

bool select_matches(const Selection *selection, const SelectTarget *target)
{
    switch (selection->kind) {
    case NODE_ALL:
        return true;
    case NODE_AND:
        return select_matches(selection->left, target) && select_matches(selection->right, target);
    case NODE_OR:
        return select_matches(selection->left, target) || select_matches(selection->right, target);
    case NODE_NOT:
        return !select_matches(selection->left, target);
    case NODE_PRESENT:
        return is_present(selection, target);
    case NODE_IN:
        return is_in(selection, target);
    case NODE_BELOW:
        return select_field_compare(selection->field, target, selection->numbers) == SELECT_BELOW;
    case NODE_ABOVE:
        return select_field_compare(selection->field, target, selection->numbers) == SELECT_ABOVE;
    }
    return false;
}
