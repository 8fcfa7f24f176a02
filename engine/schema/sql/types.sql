-- Types: enums, composites, ranges, domains. Base types stand on C functions and are told without a definition.
SELECT CASE WHEN t.typtype = 'c' THEN 'pg_class'::regclass ELSE 'pg_type'::regclass END::oid AS class,
    CASE WHEN t.typtype = 'c' THEN t.typrelid ELSE t.oid END AS oid, 0 AS sub,
    CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END AS kind, n.q || quote_ident(t.typname) AS name, NULL AS parent,
    0 AS position, pg_get_userbyid(t.typowner) AS owner,
    CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'c' THEN 'composite' WHEN 'r' THEN 'range' WHEN 'b' THEN 'base' END AS form,
    (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum e
        WHERE e.enumtypid = t.oid) AS labels,
    CASE t.typtype WHEN 'c' THEN (SELECT string_agg(concat_ws(' ', quote_ident(a.attname),
        format_type(a.atttypid, a.atttypmod), 'COLLATE ' || CASE WHEN a.attcollation <> b.typcollation
        THEN a.attcollation::regcollation::text END), ', ' ORDER BY a.attnum)
        FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid WHERE a.attrelid = t.typrelid AND a.attnum > 0
            AND NOT a.attisdropped) END AS attributes,
    CASE t.typtype
        WHEN 'd' THEN concat_ws(' ', format('CREATE DOMAIN %s%I AS %s', n.q, t.typname, format_type(t.typbasetype, t.typtypmod)),
            'COLLATE ' || CASE WHEN t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)
            THEN t.typcollation::regcollation::text END)
        WHEN 'r' THEN (SELECT format('CREATE TYPE %s%I AS RANGE (%s)', n.q, t.typname, concat_ws(', ',
            'SUBTYPE = ' || format_type(r.rngsubtype, NULL),
            CASE WHEN NOT o.opcdefault THEN format('SUBTYPE_OPCLASS = %I.%I', ons.nspname, o.opcname) END,
            'COLLATION = ' || CASE WHEN r.rngcollation <> b.typcollation THEN r.rngcollation::regcollation::text END,
            'CANONICAL = ' || nullif(r.rngcanonical::oid, 0)::regproc, 'SUBTYPE_DIFF = ' || nullif(r.rngsubdiff::oid, 0)::regproc,
            'MULTIRANGE_TYPE_NAME = ' || (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype))
            FROM pg_range r JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace ons ON ons.oid = o.opcnamespace
                JOIN pg_type b ON b.oid = r.rngsubtype WHERE r.rngtypid = t.oid) END AS definition,
    CASE WHEN t.typtype = 'd' AND t.typnotnull THEN CASE WHEN k.conname ~ '_not_null[0-9]*$' IS NOT FALSE THEN 'yes'
        ELSE format('CONSTRAINT %I NOT NULL', k.conname) END END AS not_null,
    CASE WHEN k.conname ~ '_not_null[0-9]*$' THEN quote_ident(k.conname) END AS not_null_name,
    CASE WHEN t.typtype = 'd' THEN coalesce(pg_get_expr(t.typdefaultbin, 0), quote_literal(t.typdefault)) END AS default
FROM pg_type t JOIN ns n ON n.oid = t.typnamespace
    LEFT JOIN pg_constraint k ON k.contypid = t.oid AND k.contype = 'n' -- PostgreSQL 17 has it
WHERE (t.typtype IN ('e', 'd', 'r') OR t.typtype = 'b' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
    OR t.typtype = 'c' AND (SELECT c.relkind FROM pg_class c WHERE c.oid = t.typrelid) = 'c')
