#include "restore_parts.h"

/* Rows and catalog entries made by a transaction that the backup may not hold: of the horizon or
 * later, on the circle of 32 bits. Beyond half of it nothing can be told, so all are. Below 3 are
 * marks, not transactions. */
#define NOW "pg_snapshot_xmax(pg_current_snapshot())::text::bigint"

#define USER_SCHEMAS                                                                               \
    " n.nspname NOT IN ('pgtide', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'"

#define COUNTED_NAME                                                                               \
    "CASE WHEN $3 = '' THEN format('%I.%I', n.nspname, c.relname) ELSE quote_ident(c.relname) END"

#define COUNTED                                                                                    \
    " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"                               \
    " WHERE c.relpersistence <> 't' AND $3::text IN ('', n.nspname) AND" USER_SCHEMAS

const char restore_sql_count[] =
    "SELECT coalesce('SELECT string_agg(n || '' '' || c, E''\\n'' ORDER BY n COLLATE \"C\"),"
    " string_agg(n, '', '' ORDER BY n COLLATE \"C\") FILTER (WHERE w > 0) FROM ('"
    " || string_agg(part, ' UNION ALL ') || ') x(n, c, w)', 'SELECT NULL, NULL') FROM ("
    "SELECT format('SELECT %L::text, count(*)::text, count(*) FILTER (WHERE %s) FROM ONLY %I.%I',"
    " " COUNTED_NAME ", CASE WHEN $1 = '0' THEN 'false' ELSE replace("
    "'(" NOW " - @ > 2147483647 OR (xmin::text::bigint > 2 AND mod(xmin::text::bigint"
    " - mod(@, 4294967296) + 4294967296, 4294967296) < " NOW " - @))', '@', $1)"
    " END, n.nspname, c.relname)" COUNTED " AND c.relkind = 'r'"
    " AND NOT (c.relname = 'alembic_version' AND n.nspname = $2::text)"
    " UNION ALL SELECT format('SELECT %L::text, last_value || '' '' || is_called, 0 FROM %I.%I',"
    " " COUNTED_NAME ", n.nspname, c.relname)" COUNTED " AND c.relkind = 'S') p(part)";

/* A schema's own entry does not count: restoring renames it, and keeps what belongs to it. */
const char restore_sql_catalog[] =
    "SELECT string_agg(DISTINCT what, ', ') FROM (SELECT what, made::text::bigint AS made FROM ("
    "SELECT relname, xmin, relnamespace FROM pg_class"
    " UNION ALL SELECT c.relname, a.xmin, c.relnamespace"
    "  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
    " UNION ALL SELECT conname, xmin, connamespace FROM pg_constraint"
    " UNION ALL SELECT t.tgname, t.xmin, c.relnamespace"
    "  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
    " UNION ALL SELECT proname, xmin, pronamespace FROM pg_proc"
    " UNION ALL SELECT typname, xmin, typnamespace FROM pg_type"
    " UNION ALL SELECT nspname, xmin, oid FROM pg_namespace WHERE $2::text = '')"
    " e(what, made, home) JOIN pg_namespace n ON n.oid = e.home"
    " WHERE $2::text IN ('', n.nspname) AND" USER_SCHEMAS ") x"
    " WHERE (" NOW " - $1::bigint > 2147483647 OR (made > 2 AND mod(made"
    " - mod($1::bigint, 4294967296) + 4294967296, 4294967296) < " NOW " - $1::bigint))"
    " AND NOT EXISTS (SELECT FROM pgtide.history h WHERE h.xmin::text::bigint = x.made)";

/* What is in the schema, by what pg_depend calls it; a toast table is an internal dependent. */
#define INSIDE                                                                                     \
    "inside (classid, objid) AS ("                                                                 \
    "SELECT 'pg_class'::regclass::oid, oid FROM pg_class WHERE relnamespace = (TABLE home)"        \
    " UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type WHERE typnamespace = (TABLE home)"    \
    " UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc WHERE pronamespace = (TABLE home)"    \
    " UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint"                          \
    "  WHERE connamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator"                              \
    "  WHERE oprnamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass"                                \
    "  WHERE opcnamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily"                              \
    "  WHERE opfnamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_amop'::regclass, o.oid FROM pg_amop o JOIN pg_opfamily f"               \
    "  ON f.oid = o.amopfamily WHERE f.opfnamespace = (TABLE home)"                                \
    " UNION ALL SELECT 'pg_amproc'::regclass, o.oid FROM pg_amproc o JOIN pg_opfamily f"           \
    "  ON f.oid = o.amprocfamily WHERE f.opfnamespace = (TABLE home)"                              \
    " UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation"                            \
    "  WHERE collnamespace = (TABLE home)"                                                         \
    " UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion"                          \
    "  WHERE connamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext"                    \
    "  WHERE stxnamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config"                            \
    "  WHERE cfgnamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict"                                \
    "  WHERE dictnamespace = (TABLE home)"                                                         \
    " UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser"                            \
    "  WHERE prsnamespace = (TABLE home)"                                                          \
    " UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template"                        \
    "  WHERE tmplnamespace = (TABLE home)"                                                         \
    " UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl"                        \
    "  WHERE defaclnamespace = (TABLE home)"                                                       \
    " UNION ALL SELECT 'pg_rewrite'::regclass, r.oid FROM pg_rewrite r JOIN pg_class c"            \
    "  ON c.oid = r.ev_class WHERE c.relnamespace = (TABLE home)"                                  \
    " UNION ALL SELECT 'pg_trigger'::regclass, t.oid FROM pg_trigger t JOIN pg_class c"            \
    "  ON c.oid = t.tgrelid WHERE c.relnamespace = (TABLE home)"                                   \
    " UNION ALL SELECT 'pg_attrdef'::regclass, a.oid FROM pg_attrdef a JOIN pg_class c"            \
    "  ON c.oid = a.adrelid WHERE c.relnamespace = (TABLE home)"                                   \
    " UNION ALL SELECT 'pg_policy'::regclass, p.oid FROM pg_policy p JOIN pg_class c"              \
    "  ON c.oid = p.polrelid WHERE c.relnamespace = (TABLE home))"

const char restore_sql_dependents[] =
    "WITH home AS (SELECT oid FROM pg_namespace WHERE nspname = $1::text::name), " INSIDE
    " SELECT string_agg(DISTINCT what, ', ') FROM ("
    "SELECT pg_describe_object(d.classid, d.objid, d.objsubid) AS what FROM pg_depend d"
    " JOIN (TABLE inside UNION ALL SELECT 'pg_namespace'::regclass, oid FROM home) r"
    "  ON r.classid = d.refclassid AND r.objid = d.refobjid WHERE d.deptype <> 'i'"
    " AND NOT EXISTS (SELECT FROM inside i WHERE i.classid = d.classid AND i.objid = d.objid)"
    " UNION ALL SELECT pg_describe_object(d.refclassid, d.refobjid, 0) FROM pg_depend d"
    "  JOIN inside i ON i.classid = d.classid AND i.objid = d.objid WHERE d.deptype = 'e'"
    " UNION ALL SELECT pg_describe_object('pg_class'::regclass, p.oid, 0) FROM pg_inherits h"
    "  JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_class p ON p.oid = h.inhparent"
    "  WHERE c.relnamespace = (TABLE home) AND p.relnamespace <> (TABLE home)"
    " UNION ALL SELECT format('the subscription of table %s', c.relname) FROM pg_subscription_rel s"
    "  JOIN pg_class c ON c.oid = s.srrelid WHERE c.relnamespace = (TABLE home)"
    " UNION ALL SELECT format('publication %s', pubname) FROM pg_publication WHERE puballtables) x";

/* What was added to what roles have without a word is taken away, and what was taken from that is
 * given; and the other way round. */
const char restore_sql_defaults[] =
    "WITH kinds AS (SELECT pg_get_userbyid(defaclrole) AS role, defaclacl AS acl,"
    " CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'"
    "  WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END AS kind,"
    " CASE WHEN defaclnamespace = 0 THEN acldefault(CASE defaclobjtype WHEN 'S' THEN 's'::\"char\""
    "  ELSE defaclobjtype END, defaclrole) END AS base FROM pg_default_acl"
    " WHERE defaclnamespace = CASE WHEN $1::text = '' THEN 0"
    "  ELSE (SELECT oid FROM pg_namespace WHERE nspname = $1::text::name) END"
    " AND ($1::text <> '' OR pg_get_userbyid(defaclrole) = current_user)),"
    " differences AS (SELECT k.role, k.kind, d.* FROM kinds k, LATERAL ("
    "  SELECT true AS added, a.* FROM (SELECT grantee, privilege_type, is_grantable"
    "   FROM aclexplode(k.acl) EXCEPT SELECT grantee, privilege_type, is_grantable"
    "   FROM aclexplode(k.base)) a"
    "  UNION ALL SELECT false, b.* FROM (SELECT grantee, privilege_type, is_grantable"
    "   FROM aclexplode(k.base) EXCEPT SELECT grantee, privilege_type, is_grantable"
    "   FROM aclexplode(k.acl)) b) d),"
    " words AS (SELECT added, format('ALTER DEFAULT PRIVILEGES FOR ROLE %I%s ', role,"
    "  CASE WHEN $1::text = '' THEN '' ELSE format(' IN SCHEMA %I', $2::text) END) AS head,"
    "  privilege_type || ' ON ' || kind AS body, CASE grantee WHEN 0 THEN 'PUBLIC'"
    "  ELSE quote_ident(pg_get_userbyid(grantee)) END AS whom, is_grantable FROM differences),"
    " both_ways AS (SELECT added, head || 'REVOKE ' || body || ' FROM ' || whom AS taken,"
    "  head || 'GRANT ' || body || ' TO ' || whom"
    "  || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END AS given FROM words)"
    " SELECT string_agg(CASE WHEN added THEN taken ELSE given END, '; ' ORDER BY added DESC),"
    " string_agg(CASE WHEN added THEN given ELSE taken END, '; ' ORDER BY added) FROM both_ways";

const char restore_sql_belongings[] =
    "SELECT string_agg(sql, '; ' ORDER BY turn, sql) FROM ("
    "SELECT 1 AS turn, format('ALTER SCHEMA %I OWNER TO %I', $2::text, pg_get_userbyid(nspowner))"
    "  AS sql FROM pg_namespace WHERE nspname = $1::text::name"
    " UNION ALL SELECT 2, format('REVOKE ALL ON SCHEMA %I FROM PUBLIC, %I', $2::text,"
    "  pg_get_userbyid(nspowner)) FROM pg_namespace WHERE nspname = $1::text::name"
    "  AND nspacl IS NOT NULL"
    " UNION ALL SELECT 3, format('GRANT %s ON SCHEMA %I TO %s%s', a.privilege_type, $2::text,"
    "  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,"
    "  CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)"
    "  FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = $1::text::name"
    " UNION ALL SELECT 4, format('COMMENT ON SCHEMA %I IS %L', $2::text, d.description)"
    "  FROM pg_description d JOIN pg_namespace n ON n.oid = d.objoid"
    "  WHERE d.classoid = 'pg_namespace'::regclass AND n.nspname = $1::text::name"
    " UNION ALL SELECT 5, format('SECURITY LABEL FOR %I ON SCHEMA %I IS %L', l.provider, $2::text,"
    "  l.label) FROM pg_seclabel l JOIN pg_namespace n ON n.oid = l.objoid"
    "  WHERE l.classoid = 'pg_namespace'::regclass AND n.nspname = $1::text::name) x";
