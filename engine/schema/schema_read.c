#include "schema_read.h"

#include "aliases_sql.h"
#include "begin_sql.h"
#include "columns_sql.h"
#include "constraints_sql.h"
#include "depends_sql.h"
#include "facts_sql.h"
#include "functions_sql.h"
#include "named_limits.h"
#include "others_sql.h"
#include "relations_sql.h"
#include "rules_sql.h"
#include "types_sql.h"

#include <stdlib.h>
#include <string.h>

/* The answers, in the order of the queries. */
enum {
    ANSWER_BEGIN,
    ANSWER_SETTINGS,
    ANSWER_SCHEMA,
    ANSWER_OBJECTS, /* several, of one form */
    OBJECT_QUERIES = 7,
    ANSWER_FACTS = ANSWER_OBJECTS + OBJECT_QUERIES,
    ANSWER_ALIASES,
    ANSWER_DEPENDS,
    ANSWER_COMMIT,
    ANSWER_COUNT,
};

/* Columns that each query about objects begins with; the others are attributes by their names. */
enum {
    COLUMN_CLASS,
    COLUMN_OID,
    COLUMN_SUB,
    COLUMN_KIND,
    COLUMN_NAME,
    COLUMN_PARENT,
    COLUMN_POSITION,
    COLUMN_ATTRIBUTES
};

/* Texts must not depend on what a role or a database has set; a look at a busy server's catalogs
 * takes one process of it, and compiles nothing. */
static const char settings[] =
    "SELECT pg_catalog.set_config(name, value, true) FROM (VALUES"
    " ('search_path', CASE WHEN $1::text = '' THEN 'pg_catalog' ELSE pg_catalog.quote_ident($1) "
    "END),"
    " ('DateStyle', 'ISO, YMD'), ('IntervalStyle', 'postgres'), ('TimeZone', 'UTC'),"
    " ('extra_float_digits', '1'), ('bytea_output', 'hex'), ('quote_all_identifiers', 'off'),"
    " ('jit', 'off'), ('max_parallel_workers_per_gather', '0'), ('lock_timeout', '10s')) AS "
    "settings (name, value)";

void schema_read_queries(PgBatch *batch, const SchemaReadArgs *args)
{
    const char *const objects[OBJECT_QUERIES] = {
        relations_sql, columns_sql,   constraints_sql, rules_sql,
        types_sql,     functions_sql, others_sql,
    };
    const char *const param = args->schema == NULL ? "" : args->schema;
    pg_batch_add(batch, args->inside ? "SAVEPOINT pgtide_schema"
                                     : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    pg_batch_add_params(batch, settings, 1, &param);
    pg_batch_add_params(
        batch,
        arena_printf(batch->arena,
                     "%sSELECT pg_catalog.count(*), "
                     "pg_catalog.current_setting('server_version_num')::int / 10000 FROM ns",
                     begin_sql),
        1, &param);
    for (size_t i = 0; i < OBJECT_QUERIES; i++)
        pg_batch_add_params(batch, arena_printf(batch->arena, "%s%s", begin_sql, objects[i]), 1,
                            &param);
    pg_batch_add_params(batch, arena_printf(batch->arena, "%s%s", begin_sql, facts_sql), 1, &param);
    pg_batch_add(batch, aliases_sql);
    pg_batch_add(batch, depends_sql);
    pg_batch_add(batch, args->inside ? "ROLLBACK TO SAVEPOINT pgtide_schema" : "COMMIT");
    if (args->inside) /* else what follows would be a transaction within the transaction */
        pg_batch_add(batch, "RELEASE SAVEPOINT pgtide_schema");
}

/* --- finding objects by their catalog row ----------------------------------------------------- */

typedef struct RowKey {
    uint32_t class_oid;
    uint32_t oid;
    uint32_t sub;
} RowKey;

typedef struct RowEntry {
    RowKey key;
    RowKey to;     /* of an alias */
    size_t object; /* index; of an object */
} RowEntry;

typedef struct RowTable {
    RowEntry *items;
    size_t count;
} RowTable;

typedef struct Reading {
    Arena *arena;
    const SchemaReadArgs *args;
    SchemaModel model;
    size_t bytes;
    RowTable rows;
    RowTable aliases;
    uint32_t attrdef_class;
} Reading;

static int compare_rows(const void *a, const void *b)
{
    const RowKey *left = &((const RowEntry *)a)->key, *right = &((const RowEntry *)b)->key;
    if (left->class_oid != right->class_oid)
        return left->class_oid < right->class_oid ? -1 : 1;
    if (left->oid != right->oid)
        return left->oid < right->oid ? -1 : 1;
    return (left->sub > right->sub) - (left->sub < right->sub);
}

static const RowEntry *find_row(const RowTable *table, RowKey key)
{
    RowEntry wanted = {.key = key};
    return table->count == 0
               ? NULL
               : bsearch(&wanted, table->items, table->count, sizeof wanted, compare_rows);
}

enum { NOT_FOUND = -1, ALIASES_MAX = 8 };

static ptrdiff_t find_object(const Reading *reading, RowKey key)
{
    for (size_t depth = 0; depth < ALIASES_MAX; depth++) {
        const RowEntry *row = find_row(&reading->rows, key);
        if (row == NULL && key.sub != 0)
            row = find_row(&reading->rows, (RowKey){key.class_oid, key.oid, 0});
        if (row != NULL)
            return (ptrdiff_t)row->object;
        const RowEntry *alias = find_row(&reading->aliases, (RowKey){key.class_oid, key.oid, 0});
        if (alias == NULL)
            return NOT_FOUND;
        key = (RowKey){alias->to.class_oid, alias->to.oid,
                       alias->to.sub != 0 ? alias->to.sub : key.sub};
    }
    return NOT_FOUND;
}

static RowKey read_key(const PgResult *result, size_t row, int column)
{
    return (RowKey){(uint32_t)pg_u64(result, row, column),
                    (uint32_t)pg_u64(result, row, column + 1),
                    (uint32_t)pg_u64(result, row, column + 2)};
}

/* --- objects ---------------------------------------------------------------------------------- */

static const char *keep_text(Reading *reading, const PgResult *result, size_t row, int column)
{
    if (pg_is_null(result, row, column))
        return NULL;
    const char *text = pg_text(result, row, column);
    reading->bytes += strlen(text);
    return arena_strdup(reading->arena, text);
}

static void read_object(Reading *reading, const PgResult *result, size_t row,
                        const char *const *keys, size_t key_count)
{
    size_t index = reading->model.count++;
    SchemaObject *object = &reading->model.items[index];
    reading->rows.items[index] =
        (RowEntry){.key = read_key(result, row, COLUMN_CLASS), .object = index};
    object->kind = keep_text(reading, result, row, COLUMN_KIND);
    object->name = keep_text(reading, result, row, COLUMN_NAME);
    object->parent = keep_text(reading, result, row, COLUMN_PARENT);
    object->position = (uint32_t)pg_u64(result, row, COLUMN_POSITION);
    enum { FACTS = 3 }; /* room for what facts.sql adds */
    object->attributes = ARENA_ARRAY(reading->arena, SchemaAttribute, key_count + FACTS);
    for (size_t i = 0; i < key_count; i++) {
        const char *value = keep_text(reading, result, row, COLUMN_ATTRIBUTES + (int)i);
        if (strcmp(keys[i], "not null name") == 0) {
            object->not_null_name = value;
            continue;
        }
        bool wanted = value != NULL && (reading->args->owners || strcmp(keys[i], "owner") != 0);
        if (wanted)
            object->attributes[object->attribute_count++] = (SchemaAttribute){keys[i], value};
    }
}

static ErrCode too_large(Error *err)
{
    err_set(err, ERR_LIMIT, "the schema is larger than pgtide reads");
    err_detail(err, "at most %d objects and %d MiB of text", LIMIT_SCHEMA_OBJECTS,
               LIMIT_SCHEMA_BYTES / 1024 / 1024);
    err_hint(err, "Read one schema of it with --schema.");
    return ERR_LIMIT;
}

static ErrCode read_objects(Reading *reading, const PgResult *results, Error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < OBJECT_QUERIES; i++)
        count += pg_rows(&results[i]);
    if (count > LIMIT_SCHEMA_OBJECTS)
        return too_large(err);
    reading->model.items = ARENA_ARRAY(reading->arena, SchemaObject, count + 1);
    reading->rows.items = ARENA_ARRAY(reading->arena, RowEntry, count + 1);
    for (size_t i = 0; i < OBJECT_QUERIES; i++) {
        size_t columns = pg_columns(&results[i]) - COLUMN_ATTRIBUTES;
        const char **keys = ARENA_ARRAY(reading->arena, const char *, columns + 1);
        for (size_t j = 0; j < columns; j++) {
            char *key = arena_strdup(reading->arena,
                                     pg_column_name(&results[i], COLUMN_ATTRIBUTES + (int)j));
            for (char *at = key; *at != '\0'; at++)
                *at = *at == '_' ? ' ' : *at;
            keys[j] = key;
        }
        for (size_t row = 0; row < pg_rows(&results[i]); row++) {
            read_object(reading, &results[i], row, keys, columns);
            if (reading->bytes > LIMIT_SCHEMA_BYTES)
                return too_large(err);
        }
    }
    reading->rows.count = reading->model.count;
    if (reading->rows.count > 0)
        qsort(reading->rows.items, reading->rows.count, sizeof(RowEntry), compare_rows);
    return ERR_OK;
}

static ErrCode read_facts(Reading *reading, const PgResult *result, Error *err)
{
    enum { FACT_KEY = 3, FACT_VALUE };
    for (size_t row = 0; row < pg_rows(result); row++) {
        const RowEntry *found = find_row(&reading->rows, read_key(result, row, 0));
        RowKey key = read_key(result, row, 0);
        ptrdiff_t index = found != NULL ? (ptrdiff_t)found->object
                                        : (key.sub == 0 ? find_object(reading, key) : NOT_FOUND);
        if (index == NOT_FOUND)
            continue;
        SchemaObject *object = &reading->model.items[index];
        const char *name = pg_text(result, row, FACT_KEY);
        const char *words = strcmp(name, "security_label") == 0 ? "security label" : name;
        if (schema_attribute(object, words) != NULL) /* a constraint's index has its own */
            continue;
        object->attributes[object->attribute_count++] = (SchemaAttribute){
            arena_strdup(reading->arena, words), keep_text(reading, result, row, FACT_VALUE)};
    }
    return reading->bytes > LIMIT_SCHEMA_BYTES ? too_large(err) : ERR_OK;
}

static void read_aliases(Reading *reading, const PgResult *result)
{
    size_t count = pg_rows(result);
    reading->aliases.items = ARENA_ARRAY(reading->arena, RowEntry, count + 1);
    for (size_t row = 0; row < count; row++)
        reading->aliases.items[row] = (RowEntry){
            .key = {(uint32_t)pg_u64(result, row, 0), (uint32_t)pg_u64(result, row, 1), 0},
            .to = read_key(result, row, 2),
        };
    reading->aliases.count = count;
    if (count > 0)
        qsort(reading->aliases.items, count, sizeof(RowEntry), compare_rows);
}

/* --- needs ------------------------------------------------------------------------------------ */

typedef struct Edge {
    size_t from;
    SchemaNeed need;
} Edge;

static int compare_edges(const void *a, const void *b)
{
    const Edge *left = a, *right = b;
    if (left->from != right->from)
        return left->from < right->from ? -1 : 1;
    if (left->need.object != right->need.object)
        return left->need.object < right->need.object ? -1 : 1;
    return (int)left->need.by_default - (int)right->need.by_default;
}

/* An extension's member is no object of its own. */
static void leave_out(SchemaModel *model, size_t index)
{
    SchemaObject *object = &model->items[index];
    object->parent = "";     /* it finds no whole, */
    object->kind = "member"; /* and its parts do not find it */
}

static void read_needs(Reading *reading, const PgResult *result)
{
    size_t count = 0;
    Edge *edges = ARENA_ARRAY(reading->arena, Edge, pg_rows(result) + 1);
    for (size_t row = 0; row < pg_rows(result); row++) {
        RowKey key = read_key(result, row, 0);
        ptrdiff_t from = find_object(reading, key);
        enum { DEPENDS_ON = 3, DEPENDS_EXTENSION = 6 };
        ptrdiff_t to = find_object(reading, read_key(result, row, DEPENDS_ON));
        if (from == NOT_FOUND)
            continue;
        if (pg_bool(result, row, DEPENDS_EXTENSION))
            leave_out(&reading->model, (size_t)from);
        else if (to != NOT_FOUND && to != from)
            edges[count++] =
                (Edge){.from = (size_t)from,
                       .need = {.object = (size_t)to,
                                .by_default = key.class_oid == reading->attrdef_class}};
    }
    if (count > 0)
        qsort(edges, count, sizeof(Edge), compare_edges);
    SchemaNeed *needs = ARENA_ARRAY(reading->arena, SchemaNeed, count + 1);
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_edges(&edges[i - 1], &edges[i]) == 0)
            continue;
        SchemaObject *object = &reading->model.items[edges[i].from];
        if (object->need_count == 0)
            object->needs = &needs[used];
        needs[used++] = edges[i].need;
        object->need_count++;
    }
}

ErrCode schema_read_answer(Arena *arena, const PgReply *reply, const SchemaReadArgs *args,
                           SchemaModel *ret_model, Error *err)
{
    enum { ATTRDEF_OID = 2604 }; /* pg_attrdef's, the same in every server */
    Reading reading = {.arena = arena, .args = args, .attrdef_class = ATTRDEF_OID};
    if (reply->count != (args->inside ? ANSWER_COUNT + 1 : ANSWER_COUNT))
        return err_set(err, ERR_INTERNAL, "a schema's answers are not those to its queries");
    reading.model.schema = arena_strdup(arena, args->schema == NULL ? "" : args->schema);
    reading.model.owners = args->owners;
    reading.model.server_major = (uint32_t)pg_u64(&reply->results[ANSWER_SCHEMA], 0, 1);
    if (*reading.model.schema != '\0' && pg_u64(&reply->results[ANSWER_SCHEMA], 0, 0) == 0)
        return err_set(err, ERR_NOT_FOUND, "no schema %.63s in this database", args->schema);
    read_aliases(&reading, &reply->results[ANSWER_ALIASES]);
    ErrCode code = read_objects(&reading, &reply->results[ANSWER_OBJECTS], err);
    if (code == ERR_OK)
        code = read_facts(&reading, &reply->results[ANSWER_FACTS], err);
    if (code != ERR_OK)
        return code;
    read_needs(&reading, &reply->results[ANSWER_DEPENDS]);
    schema_model_finish(arena, &reading.model);
    *ret_model = reading.model;
    return ERR_OK;
}
