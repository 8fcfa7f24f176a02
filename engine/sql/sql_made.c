#include "sql_made.h"

SqlName sql_name_of(PgQuery__Node *const *items, size_t count)
{
    return (SqlName){
        .schema = count > 1 ? sql_string(items[count - 2]) : "",
        .name = count > 0 ? sql_string(items[count - 1]) : "",
    };
}

SqlName sql_object_name(const PgQuery__Node *object)
{
    if (object == NULL)
        return (SqlName){"", ""};
    switch (object->node_case) {
    case PG_QUERY__NODE__NODE_LIST:
        return sql_name_of(object->list->items, object->list->n_items);
    case PG_QUERY__NODE__NODE_TYPE_NAME:
        return sql_name_of(object->type_name->names, object->type_name->n_names);
    case PG_QUERY__NODE__NODE_OBJECT_WITH_ARGS:
        return sql_name_of(object->object_with_args->objname, object->object_with_args->n_objname);
    case PG_QUERY__NODE__NODE_STRING:
        return (SqlName){"", object->string->sval};
    default:
        return (SqlName){"", ""};
    }
}

static SqlMade made_routine(const PgQuery__CreateFunctionStmt *create)
{
    return (SqlMade){SQL_MADE_FUNCTION, sql_name_of(create->funcname, create->n_funcname),
                     create->replace, false};
}

SqlMade sql_made(const PgQuery__Node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
        return (SqlMade){SQL_MADE_RELATION, sql_range_name(node->create_stmt->relation), false,
                         node->create_stmt->if_not_exists};
    case PG_QUERY__NODE__NODE_VIEW_STMT:
        return (SqlMade){SQL_MADE_RELATION, sql_range_name(node->view_stmt->view),
                         node->view_stmt->replace, false};
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
        if (node->create_table_as_stmt->into == NULL)
            break;
        return (SqlMade){SQL_MADE_RELATION, sql_range_name(node->create_table_as_stmt->into->rel),
                         false, node->create_table_as_stmt->if_not_exists};
    case PG_QUERY__NODE__NODE_CREATE_FUNCTION_STMT:
        return made_routine(node->create_function_stmt);
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
        return (SqlMade){
            SQL_MADE_TYPE,
            sql_name_of(node->create_enum_stmt->type_name, node->create_enum_stmt->n_type_name),
            false, false};
    case PG_QUERY__NODE__NODE_COMPOSITE_TYPE_STMT:
        return (SqlMade){SQL_MADE_TYPE, sql_range_name(node->composite_type_stmt->typevar), false,
                         false};
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
        return (SqlMade){SQL_MADE_TYPE,
                         sql_name_of(node->create_domain_stmt->domainname,
                                     node->create_domain_stmt->n_domainname),
                         false, false};
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
        return (SqlMade){SQL_MADE_SEQUENCE, sql_range_name(node->create_seq_stmt->sequence), false,
                         node->create_seq_stmt->if_not_exists};
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT:
        return (SqlMade){SQL_MADE_SCHEMA,
                         {"", node->create_schema_stmt->schemaname},
                         false,
                         node->create_schema_stmt->if_not_exists};
    default:
        break;
    }
    return (SqlMade){SQL_MADE_NOTHING, {"", ""}, false, false};
}
