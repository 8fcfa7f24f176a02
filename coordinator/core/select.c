/*
 * Recursive descent over a short text:
 *   or   := and ("or" and)*
 *   and  := not ("and" not)*
 *   not  := "not" not | "(" or ")" | term
 *   term := key | key ("=" | "!=") word | key ["not"] "in" "(" word ("," word)* ")"
 */
#include "select.h"

#include "named_limits.h"

#include <string.h>

enum { SELECT_DEPTH_MAX = 100 };

typedef enum NodeKind { NODE_ALL, NODE_AND, NODE_OR, NODE_NOT, NODE_PRESENT, NODE_IN } NodeKind;

struct Selection {
    NodeKind kind;
    const struct Selection *left;
    const struct Selection *right;
    const char *key;
    StrList values;
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
        length = strncmp(at, "!=", 2) == 0 ? 2 : 1;
        bool known = length == 2 || strchr("(),=", *at) != NULL;
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

static ErrCode parse_list(Parser *parser, StrList *values)
{
    if (!is_symbol(parser, "("))
        return expected(parser, "( after in");
    do {
        next_token(parser);
        const char *word = NULL;
        ErrCode code = take_word(parser, "a value", &word);
        if (code != ERR_OK)
            return code;
        strlist_add(parser->arena, values, word);
    } while (is_symbol(parser, ","));
    if (!is_symbol(parser, ")"))
        return expected(parser, ", or )");
    next_token(parser);
    return ERR_OK;
}

static ErrCode parse_term(Parser *parser, const Selection **ret_node)
{
    Selection *node = ARENA_NEW(parser->arena, Selection);
    node->kind = NODE_IN;
    ErrCode code = take_word(parser, "a key, not or (", &node->key);
    if (code != ERR_OK)
        return code;
    bool negated = false;
    if (is_symbol(parser, "=") || is_symbol(parser, "!=")) {
        negated = is_symbol(parser, "!=");
        next_token(parser);
        const char *word = NULL;
        code = take_word(parser, "a value", &word);
        if (code == ERR_OK)
            strlist_add(parser->arena, &node->values, word);
    } else if (is_keyword(parser, "in") || is_keyword(parser, "not")) {
        negated = is_keyword(parser, "not");
        if (negated)
            next_token(parser);
        if (!is_keyword(parser, "in"))
            return expected(parser, "in after not");
        next_token(parser);
        code = parse_list(parser, &node->values);
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

/* NULL when the shard has no such label. */
static const char *value_of(const SelectTarget *target, const char *key)
{
    if (strcmp(key, "host") == 0)
        return target->host;
    if (strcmp(key, "cluster") == 0)
        return target->cluster;
    if (strcmp(key, "database") == 0)
        return target->database;
    if (strcmp(key, "schema") == 0)
        return target->schema;
    for (size_t i = 0; i < target->labels->count; i++)
        if (strcmp(target->labels->items[i].key, key) == 0)
            return target->labels->items[i].value;
    return NULL;
}

bool select_matches(const Selection *selection, const SelectTarget *target)
{
    const char *value;
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
        value = value_of(target, selection->key);
        return value != NULL && value[0] != '\0' && strcmp(value, "false") != 0;
    case NODE_IN:
        value = value_of(target, selection->key);
        return value != NULL && strlist_has(&selection->values, value);
    }
    return false;
}
