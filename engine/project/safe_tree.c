#include "safe_tree.h"

#include <string.h>

const char *tree_string(const PgQuery__Node *node)
{
    return node != NULL && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : "";
}

TreeName tree_name(PgQuery__Node *const *nodes, size_t count)
{
    return (TreeName){
        .schema = count > 1 ? tree_string(nodes[count - 2]) : "",
        .name = count > 0 ? tree_string(nodes[count - 1]) : "",
    };
}

TreeName tree_range(const PgQuery__RangeVar *range)
{
    return range == NULL ? (TreeName){"", ""} : (TreeName){range->schemaname, range->relname};
}

static void append_quoted(Str *out, const char *name)
{
    str_append_char(out, '"');
    for (const char *at = name; *at != '\0'; at++) {
        if (*at == '"')
            str_append_char(out, '"');
        str_append_char(out, *at);
    }
    str_append_char(out, '"');
}

const char *tree_quoted(Arena *arena, TreeName name)
{
    AUTO_STR Str out = {0};
    if (name.schema[0] != '\0') {
        append_quoted(&out, name.schema);
        str_append_char(&out, '.');
    }
    append_quoted(&out, name.name);
    return arena_strdup(arena, str_text(&out));
}

const char *tree_plain(Arena *arena, TreeName name)
{
    return name.schema[0] == '\0' ? arena_strdup(arena, name.name)
                                  : arena_printf(arena, "%s.%s", name.schema, name.name);
}

const char *tree_type(Arena *arena, const PgQuery__TypeName *type)
{
    if (type == NULL || type->pct_type || type->setof || type->n_names == 0)
        return NULL;
    const char *name = tree_quoted(arena, tree_name(type->names, type->n_names));
    return type->n_array_bounds > 0 ? arena_printf(arena, "%s[]", name) : name;
}

/* --- what a statement is about ---------------------------------------------------------------- */

SafeQuestion *form_ask(FormReader *reader, SafeForm form, bool removes, const char *kind,
                       const char *what)
{
    SafeStatement *safe = reader->safe;
    SafeQuestion *question = safe_question_add(reader->questions, form);
    question->statement = reader->index;
    if (reader->asked++ == 0) {
        safe->what = arena_printf(reader->arena, "%s %s", kind, what);
        safe->asked = true;
        safe->removes = removes;
    } else {
        safe->what = arena_printf(reader->arena, "%s, %s %s", safe->what, kind, what);
    }
    return question;
}

SafeQuestion *form_ask_of(FormReader *reader, SafeForm form, bool removes, const char *kind,
                          const PgQuery__RangeVar *relation, const char *name, bool lenient)
{
    Arena *arena = reader->arena;
    TreeName of = tree_range(relation);
    SafeQuestion *question = form_ask(reader, form, removes, kind,
                                      arena_printf(arena, "%s.%s", tree_plain(arena, of), name));
    question->schema = arena_strdup(arena, of.schema);
    question->relation = arena_strdup(arena, of.name);
    question->name = arena_strdup(arena, name);
    question->lenient = lenient;
    reader->safe->relation = tree_quoted(arena, of);
    return question;
}

ErrCode form_refuse(FormReader *reader, const char *what, const char *hint)
{
    err_set(reader->err, ERR_SCRIPT, "%s can't be a safe statement: run again, it %s", what,
            "fails or does more than once");
    err_at(reader->err, reader->safe->file, reader->safe->statement->line);
    err_hint(reader->err, "%s", hint);
    return ERR_SCRIPT;
}
