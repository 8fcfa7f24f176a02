/*
 * YAML files with a table of fields: what may stand in a file is data, checked whole, and every
 * problem is told with its line in one run.
 *
 * A document becomes a tree of nodes in an arena. config_read() fills a struct from a mapping by a
 * ConfigTable; keys that are absent leave the struct as it was, so defaults are put there before.
 * Irregular parts (a list whose items are scalars or mappings) are CONFIG_NODE fields: their owner
 * walks the nodes and reports with config_problem(), config_read() and config_read_value() in the
 * same words. Problems pile up in the Config; config_finish() turns them into one Error: the first
 * one, with file and line, the others in `detail`.
 *
 * Accepted is a plain subset of YAML: one document, no anchors, aliases, tags or duplicate keys.
 *
 *   static const ConfigField fields[] = {
 *       {.key = "listen", .kind = CONFIG_STRING, .offset = offsetof(Http, listen), .required =
 * true, .help = "address and port"},
 *       {.key = "timeout", .kind = CONFIG_DURATION, .offset = offsetof(Http, timeout_ms),
 *        .min = 100, .max = 60000, .help = "longest wait for a request"},
 *   };
 *   static const ConfigTable http = CONFIG_TABLE_OF(Http, fields);
 */
#pragma once

#include "plan.h" /* LabelList */

typedef enum ConfigKind {
    CONFIG_STRING,   /* const char *; min and max count bytes, max 0 = LIMIT_TEXT_BYTES */
    CONFIG_NAME,     /* const char *; name_is_valid() */
    CONFIG_PATH,     /* const char *; relative ones are joined to the file's directory */
    CONFIG_UUID,     /* Uuid */
    CONFIG_INTEGER,  /* int64_t; min..max (max 0 = INT64_MAX) */
    CONFIG_BOOL,     /* bool; true or false */
    CONFIG_DURATION, /* uint64_t of ms; min..max in ms (max 0 = none) */
    CONFIG_SIZE,     /* uint64_t of bytes; min..max (max 0 = none) */
    CONFIG_ENUM,     /* an enum or int; `words` */
    CONFIG_STRINGS,  /* StrList; min..max items (max 0 = LIMIT_CONFIG_ITEMS) */
    CONFIG_LABELS,   /* LabelList, in the file's order; key and value as texts */
    CONFIG_TABLE,    /* a struct embedded at offset; `table` */
    CONFIG_TABLES,   /* ConfigList of table->size structs; `table` */
    CONFIG_NODE,     /* const ConfigNode *: anything, read by the caller */
} ConfigKind;

typedef struct ConfigWord {
    const char *word;
    int value;
} ConfigWord;

typedef struct ConfigTable ConfigTable;

typedef struct ConfigField {
    const char *key;
    ConfigKind kind;
    size_t offset;
    bool required;
    int64_t min;
    int64_t max;
    const ConfigWord *words;  /* CONFIG_ENUM; ended by {NULL, 0} */
    const ConfigTable *table; /* CONFIG_TABLE, CONFIG_TABLES */
    const char *help;
    /* For documents. */
    const char *form;    /* what it takes, where the kind does not say it (CONFIG_NODE) */
    const char *without; /* what it means when it is absent, where the default's value does not */
    const char *example;
} ConfigField;

struct ConfigTable {
    const ConfigField *fields;
    size_t count;
    size_t size;          /* of the struct */
    const void *defaults; /* what each item of a CONFIG_TABLES list starts as; NULL = zeroes */
};

#define CONFIG_TABLE_OF(type, rows)                                                                \
    {                                                                                              \
        .fields = (rows), .count = sizeof(rows) / sizeof((rows)[0]), .size = sizeof(type)          \
    }

typedef struct ConfigList {
    void *items;
    size_t count;
} ConfigList;

typedef struct Config Config;         /* a file being read; lives in its arena */
typedef struct ConfigNode ConfigNode; /* lives in the same arena */

/* Reads at most LIMIT_CONFIG_FILE_BYTES. A syntax error fails here; duplicate keys are collected.
 */
ErrCode config_open(Arena *arena, const char *path, Config **ret_config, Error *err) MUST_CHECK;
/* The same from memory; `path` is for messages and for relative paths. */
ErrCode config_parse(Arena *arena, const char *path, const char *text, size_t length,
                     Config **ret_config, Error *err) MUST_CHECK;

/* The top node; an empty document is an empty mapping. */
const ConfigNode *config_root(const Config *config);
/* Fills `out` from the mapping; false when it added problems. */
bool config_read(Config *config, const ConfigNode *mapping, const ConfigTable *table, void *out);
/* One value by one field row, whose offset and key are ignored; `out` is where the value goes. */
bool config_read_value(Config *config, const ConfigNode *node, const ConfigField *field, void *out);
/* Adds a problem at the node's place. Text like an Error's message: "'waves[0]' must be ...". */
void config_problem(Config *config, const ConfigNode *node, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The standard words: 'PATH' must be EXPECTED, not ACTUAL. */
void config_problem_type(Config *config, const ConfigNode *node, const char *expected);
/* The standard words for pair `index` of a mapping whose key is none of `known`. */
void config_problem_unknown_key(Config *config, const ConfigNode *mapping, size_t index,
                                const char *const *known, size_t known_count);
/* ERR_OK, or ERR_CONFIG for the problems so far. */
ErrCode config_finish(const Config *config, Error *err) MUST_CHECK;
/* Each problem as "file.yaml:23:3: text", in the order of their lines. */
size_t config_problem_count(const Config *config);
const char *config_problem_text(const Config *config, size_t index);

/* Nodes. */
typedef enum ConfigNodeKind {
    CONFIG_NODE_NULL, /* nothing, ~ or null */
    CONFIG_NODE_SCALAR,
    CONFIG_NODE_SEQUENCE,
    CONFIG_NODE_MAPPING,
} ConfigNodeKind;

ConfigNodeKind config_node_kind(const ConfigNode *node);
int config_node_line(const ConfigNode *node);         /* 1-based */
const char *config_node_path(const ConfigNode *node); /* "waves[0].canary"; '' = the root */
const char *config_node_text(const ConfigNode *node); /* a scalar's text; NULL for others */
size_t config_node_count(const ConfigNode *node);     /* items, or pairs of a mapping */
const ConfigNode *config_node_item(const ConfigNode *node, size_t index); /* item, or value */
const char *config_node_key(const ConfigNode *mapping, size_t index);
/* The value of a mapping's key; NULL when absent or not a mapping. */
const ConfigNode *config_node_get(const ConfigNode *mapping, const char *key);

/* A table as a list for people: "key  kind, required, range: help", one line each, nested by
 * indent. */
void config_describe(const ConfigTable *table, Str *out);
/* The rows of a Markdown table with the columns key, type, default, limits, meaning, example.
 * `defaults`: what is read into (NULL = zeroes); `prefix` stands before each key. */
void config_markdown(const ConfigTable *table, const void *defaults, const char *prefix, Str *out);
