/*
 * CREATE OR REPLACE FUNCTION: compared with what pg_proc says of it, so that it is run only when
 * something about it changed. What is not kept as it was written (defaults of arguments, bodies of
 * BEGIN ATOMIC, settings) can't be compared: such a function is run each time.
 */
#include "safe_tree.h"

#include "json.h"

#include <string.h>

typedef struct FunctionOptions {
    const char *body;
    const char *language;
    const char *volatility;
    const char *parallel;
    bool strict;
    bool definer;
    bool leakproof;
} FunctionOptions;

static bool option_bool(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_BOOLEAN &&
           node->boolean->boolval;
}

/* False: an option that can't be compared. */
static bool option_read(const PgQuery__DefElem *option, FunctionOptions *out)
{
    const PgQuery__Node *value = option->arg;
    if (strcmp(option->defname, "as") == 0) {
        if (value == NULL || value->node_case != PG_QUERY__NODE__NODE_LIST ||
            value->list->n_items != 1)
            return false;
        out->body = tree_string(value->list->items[0]);
    } else if (strcmp(option->defname, "language") == 0) {
        out->language = tree_string(value);
    } else if (strcmp(option->defname, "volatility") == 0) {
        out->volatility = tree_string(value);
    } else if (strcmp(option->defname, "parallel") == 0) {
        out->parallel = tree_string(value);
    } else if (strcmp(option->defname, "strict") == 0) {
        out->strict = option_bool(value);
    } else if (strcmp(option->defname, "security") == 0) {
        out->definer = option_bool(value);
    } else if (strcmp(option->defname, "leakproof") == 0) {
        out->leakproof = option_bool(value);
    } else {
        return false;
    }
    return true;
}

/* False: arguments that can't be compared. */
static bool write_arguments(FormReader *reader, const PgQuery__CreateFunctionStmt *create,
                            JsonWriter *json)
{
    StrList types = {0};
    StrList names = {0};
    bool named = false;
    for (size_t i = 0; i < create->n_parameters; i++) {
        const PgQuery__Node *node = create->parameters[i];
        if (node->node_case != PG_QUERY__NODE__NODE_FUNCTION_PARAMETER)
            return false;
        const PgQuery__FunctionParameter *parameter = node->function_parameter;
        const char *type = tree_type(reader->arena, parameter->arg_type);
        bool in = parameter->mode == PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_IN ||
                  parameter->mode == PG_QUERY__FUNCTION_PARAMETER_MODE__FUNC_PARAM_DEFAULT;
        if (type == NULL || !in || parameter->defexpr != NULL)
            return false;
        strlist_add(reader->arena, &types, type);
        strlist_add(reader->arena, &names, parameter->name);
        named = named || parameter->name[0] != '\0';
    }
    StrList none = {0};
    json_field_strings(json, "types", &types);
    json_field_strings(json, "names", named ? &names : &none);
    return true;
}

static bool write_function(FormReader *reader, const PgQuery__CreateFunctionStmt *create, Str *out)
{
    FunctionOptions options = {.volatility = "volatile", .parallel = "unsafe", .language = "sql"};
    for (size_t i = 0; i < create->n_options; i++) {
        const PgQuery__Node *node = create->options[i];
        if (node->node_case != PG_QUERY__NODE__NODE_DEF_ELEM ||
            !option_read(node->def_elem, &options))
            return false;
    }
    bool setof = create->return_type != NULL && create->return_type->setof;
    const char *returns = "\"pg_catalog\".\"void\"";
    if (create->return_type != NULL) {
        PgQuery__TypeName type = *create->return_type;
        type.setof = 0;
        returns = tree_type(reader->arena, &type);
    } else if (!create->is_procedure) {
        return false; /* OUT arguments make the result */
    }
    if (create->sql_body != NULL || options.body == NULL || returns == NULL)
        return false;
    JsonWriter json = json_writer(out);
    json_object_begin(&json);
    bool comparable = write_arguments(reader, create, &json);
    json_field_string(&json, "body", options.body);
    json_field_string(&json, "language", options.language);
    json_field_string(&json, "volatility", arena_strndup(reader->arena, options.volatility, 1));
    json_field_string(&json, "parallel", arena_strndup(reader->arena, options.parallel, 1));
    json_field_bool(&json, "strict", options.strict);
    json_field_bool(&json, "definer", options.definer);
    json_field_bool(&json, "leakproof", options.leakproof);
    json_field_string(&json, "returns", create->is_procedure ? NULL : returns);
    json_field_bool(&json, "set", setof);
    json_field_string(&json, "kind", create->is_procedure ? "p" : "f");
    json_object_end(&json);
    return comparable;
}

void form_function(FormReader *reader, const PgQuery__CreateFunctionStmt *create)
{
    AUTO_STR Str detail = {0};
    if (!write_function(reader, create, &detail))
        return;
    TreeName name = tree_name(create->funcname, create->n_funcname);
    SafeQuestion *question =
        form_ask(reader, SAFE_FORM_FUNCTION, false, create->is_procedure ? "procedure" : "function",
                 tree_plain(reader->arena, name));
    question->schema = arena_strdup(reader->arena, name.schema);
    question->name = arena_strdup(reader->arena, name.name);
    question->detail = arena_strdup(reader->arena, str_text(&detail));
}
