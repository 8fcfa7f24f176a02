/*
 * A schema as one text: objects by kind and name, parts below their whole, an attribute a line.
 * Two databases with the same schema give the same text. The order of columns is no part of it: it
 * differs between a database that was built at once and one that grew.
 */
#pragma once

#include "ids.h"
#include "schema_model.h"

void schema_text_write(const SchemaModel *model, Str *out);
/* The SHA-256 of the text. */
void schema_fingerprint(const SchemaModel *model, char out[FINGERPRINT_TEXT_SIZE]);
