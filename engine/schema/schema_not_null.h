/*
 * NOT NULL of columns and domains. It is a constraint: of domains from PostgreSQL 17 on, of columns
 * from 18 on. The attribute "not null" is "yes", or what is said of that constraint:
 * "CONSTRAINT k NOT NULL NO INHERIT NOT VALID".
 */
#pragma once

#include "schema_make.h"

/* Rows that are there have to have a value. */
bool schema_is_not_null(const SchemaObject *object);
/* " NOT NULL" in the definition of a column or domain, if it has one that can stand there. */
void schema_not_null_append(Str *out, const SchemaObject *object);
/* The statement for what can't stand in a definition: NOT VALID. */
void schema_not_null_unproven(SchemaMake *make, const SchemaObject *column);
/* The statement for any, of a column or domain that is there without it. */
void schema_not_null_add(SchemaMake *make, const SchemaObject *object);
/* From one to another, or to none. `to` is in the model of `make`. */
void schema_not_null_alter(SchemaMake *make, const SchemaObject *from, const SchemaObject *to);
