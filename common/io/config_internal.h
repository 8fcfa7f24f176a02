/*
 * What the two halves of config share: config_parse.c makes the tree, config.c reads it by tables.
 */
#pragma once

#include "config.h"

/* Positions are the key's own in a mapping, so that an unknown key is shown where it stands. */
typedef struct ConfigKey {
    const char *text;
    int line;
    int column;
} ConfigKey;

struct ConfigNode {
    Config *config;
    const ConfigNode *parent; /* NULL at the root */
    const char *key;          /* in a mapping parent, otherwise NULL */
    size_t index;             /* in a sequence parent */
    ConfigNodeKind kind;
    int line;
    int column;
    const char *text;
    ConfigKey *keys; /* of a mapping, beside items */
    ConfigNode **items;
    size_t count;
    size_t capacity;
};

typedef struct ConfigProblem {
    int line;
    int column;
    const char *text;
} ConfigProblem;

struct Config {
    Arena *arena;
    const char *path;
    const char *directory;
    ConfigNode *root;
    ConfigProblem *problems; /* sorted by line and column */
    size_t problem_count;
    size_t problem_capacity;
    size_t problems_untold; /* beyond CONFIG_PROBLEMS_MAX */
};

enum { CONFIG_PROBLEMS_MAX = 100, CONFIG_QUOTE_BYTES = 60 };

/* Where `err` was found. The line itself is not shown: somebody may have put a password into it. */
void config_error_at(const Config *config, int line, int column, Error *err);
/* The text lives in the arena. */
void config_problem_at(Config *config, int line, int column, const char *text);
/* The text as it may stand in a message: shortened, control characters replaced. */
const char *config_shown(const Config *config, const char *text);
/* "waves[0].canary" for a key of a mapping. */
const char *config_key_path(const ConfigNode *mapping, const char *key);
