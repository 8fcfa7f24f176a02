/*
 * What is said of objects of every kind: comment, security labels, owner, grants.
 */
#pragma once

#include "schema_make.h"

/* The statements from what `from` says (NULL: it is made anew) to what `to` says. `changed`, when
 * not NULL, tells whether grants were taken away, which takes those of a table's columns too. */
void schema_facts_sql(SchemaMake *make, const SchemaObject *from, const SchemaObject *to,
                      bool *changed);
/* Its grants once more, from nothing. */
void schema_grants_again(SchemaMake *make, const SchemaObject *object);
/* Takes away what default privileges of the database have given to something that was just made,
 * and gives it what it should have. */
void schema_grants_only(SchemaMake *make, const SchemaModel *given_by, const SchemaObject *object);
/* Default privileges that are no more. */
void schema_default_privileges_drop(SchemaMake *make, const SchemaObject *object);
/* A view's column, which is told only where something is said of it, is like others again. */
void schema_view_column_plain(SchemaMake *make, const SchemaObject *column);
