#include "restore_parts.h"

/* Rows and catalog entries made by a transaction that the backup may not hold: of the horizon or
 * later, on the circle of 32 bits. Beyond half of it nothing can be told, so all are. Below 3 are
 * marks, not transactions. */
#define NOW "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
#define NEWER(xmin)                                                                                \
    "(" NOW " - $1::bigint > 2147483647 OR (" xmin " > 2 AND mod(" xmin                            \
    " - mod($1::bigint, 4294967296) + 4294967296, 4294967296) < " NOW " - $1::bigint))"

#define USER_SCHEMAS                                                                               \
    " n.nspname NOT IN ('pgtide', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'"

const char restore_sql_count[] =
    "SELECT coalesce('SELECT string_agg(n || '' '' || c, E''\\n'' ORDER BY n COLLATE \"C\"),"
    " string_agg(n, '', '' ORDER BY n COLLATE \"C\") FILTER (WHERE w > 0) FROM ('"
    " || string_agg(part, ' UNION ALL ') || ') x(n, c, w)', 'SELECT NULL, NULL') FROM ("
    "SELECT format('SELECT %L::text, count(*)::text, count(*) FILTER (WHERE %s) FROM ONLY %I.%I',"
    " format('%I.%I', n.nspname, c.relname), CASE WHEN $1 = '0' THEN 'false' ELSE replace("
    "'(" NOW " - @ > 2147483647 OR (xmin::text::bigint > 2 AND mod(xmin::text::bigint"
    " - mod(@, 4294967296) + 4294967296, 4294967296) < " NOW " - @))', '@', $1)"
    " END, n.nspname, c.relname)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r'"
    " AND c.relpersistence <> 't' AND" USER_SCHEMAS
    " AND NOT (c.relname = 'alembic_version' AND n.nspname = $2::text)"
    " UNION ALL SELECT format('SELECT %L::text, last_value || '' '' || is_called, 0 FROM %I.%I',"
    " format('%I.%I', n.nspname, c.relname), n.nspname, c.relname)"
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S'"
    " AND c.relpersistence <> 't' AND" USER_SCHEMAS ") p(part)";

#define CHANGED(what, xmin, from)                                                                  \
    "SELECT " what " AS what, " xmin "::text::bigint AS made FROM " from " WHERE" USER_SCHEMAS

const char restore_sql_catalog
    [] = "SELECT string_agg(DISTINCT x.what, ', ') FROM (" CHANGED("c.relname", "c.xmin", "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace") " UNION ALL " CHANGED(
        "c.relname", "a.xmin",
        "pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace") " UNION ALL " CHANGED("k.conname",
                                                                                "k.xmin",
                                                                                "pg_constraint k "
                                                                                "JOIN pg_namespace "
                                                                                "n ON n.oid = "
                                                                                "k.connamespace") " UNION ALL " CHANGED("t.tgname",
                                                                                                                        "t.xmin",
                                                                                                                        "pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
                                                                                                                        " JOIN pg_namespace n ON n.oid = c.relnamespace") " UNION ALL " CHANGED("p.proname", "p.xmin", "pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace") " UNION ALL " CHANGED("t.typname", "t.xmin", "pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace") " UNION ALL " CHANGED("n.nspname",
                                                                                                                                                                                                                                                                                                                                                                                                                "n.xmin",
                                                                                                                                                                                                                                                                                                                                                                                                                "pg_namespace n") ") x WHERE " NEWER("x.made") " AND NOT EXISTS (SELECT FROM pgtide.history h WHERE h.xmin::text::bigint = x.made)";
