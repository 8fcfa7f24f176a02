-- Columns. One that is inherited tells only what it does not have from its parent. The option pg_attver is a counter of
-- the server's own. From PostgreSQL 18 on NOT NULL is a constraint: what the server calls it by itself is not told, for
-- it goes by the names that table and column had when it was made.
, required AS MATERIALIZED (
    SELECT conrelid, conkey[1] AS attnum, conname, coninhcount > 0 AS inherited, conname ~ '_not_null[0-9]*$' AS made_up,
        CASE WHEN connoinherit THEN 'NO INHERIT' END AS local, CASE WHEN NOT convalidated THEN 'NOT VALID' END AS unproven
    FROM pg_constraint WHERE contype = 'n' AND conrelid <> 0
)
SELECT 'pg_class'::regclass::oid AS class, a.attrelid AS oid, a.attnum AS sub, 'column' AS kind,
    format('%s%I.%I', n.q, c.relname, a.attname) AS name, n.q || quote_ident(c.relname) AS parent,
    a.attnum AS position, CASE WHEN a.attinhcount > 0 THEN 'yes' END AS inherited,
    CASE WHEN a.attinhcount = 0 AND c.relkind <> 'v' AND c.relkind <> 'm' THEN format_type(a.atttypid, a.atttypmod) END AS type,
    CASE WHEN a.attcollation <> t.typcollation AND a.attinhcount = 0 AND c.relkind NOT IN ('v', 'm')
        THEN a.attcollation::regcollation::text END AS collation,
    CASE WHEN k.conname IS NULL THEN CASE WHEN a.attnotnull AND NOT coalesce(p.attnotnull, false) THEN 'yes' END
        WHEN k.inherited THEN NULL WHEN k.made_up AND k.local IS NULL AND k.unproven IS NULL THEN 'yes'
        ELSE concat_ws(' ', CASE WHEN NOT k.made_up THEN format('CONSTRAINT %I', k.conname) END, 'NOT NULL', k.local,
            k.unproven) END AS not_null,
    CASE WHEN k.made_up AND NOT k.inherited THEN quote_ident(k.conname) END AS not_null_name,
    CASE WHEN a.attgenerated = '' THEN CASE WHEN d.adbin IS NULL THEN CASE WHEN pd.adbin IS NOT NULL THEN 'NULL' END
        WHEN pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM pg_get_expr(pd.adbin, pd.adrelid)
        THEN pg_get_expr(d.adbin, d.adrelid) END END AS default,
    CASE WHEN a.attgenerated <> '' AND pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM
        pg_get_expr(pd.adbin, pd.adrelid) THEN format('(%s) %s', pg_get_expr(d.adbin, d.adrelid),
        CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END AS generated,
    CASE WHEN a.attidentity <> '' AND coalesce(p.attidentity, '') = '' THEN (SELECT format(
        '%s AS IDENTITY (INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s)',
        CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, q.seqincrement, q.seqmin, q.seqmax, q.seqstart,
        q.seqcache, CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END)
        FROM pg_depend e JOIN pg_sequence q ON q.seqrelid = e.objid WHERE e.classid = 'pg_class'::regclass
            AND e.refclassid = 'pg_class'::regclass AND e.refobjid = a.attrelid AND e.refobjsubid = a.attnum
            AND e.deptype = 'i') END AS identity,
    CASE WHEN a.attstorage <> coalesce(p.attstorage, t.typstorage) AND c.relkind NOT IN ('v', 'f') THEN CASE a.attstorage
        WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END || ', type has ' || CASE t.typstorage WHEN 'p' THEN 'PLAIN'
        WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END AS storage,
    CASE WHEN t.typlen = -1 THEN CASE to_jsonb(a) ->> 'attcompression' WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END END
        AS compression,
    nullif(coalesce(a.attstattarget, -1), -1) AS statistics,
    (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) o
        WHERE o NOT LIKE 'pg\_attver=%') AS options,
    (SELECT string_agg(format('%I %L', o.option_name, o.option_value), ', ' ORDER BY o.option_name COLLATE "C")
        FROM pg_options_to_table(a.attfdwoptions) o) AS server_options
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN ns n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN required k ON k.conrelid = a.attrelid AND k.attnum = a.attnum
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_inherits i ON i.inhrelid = a.attrelid AND i.inhseqno = 1 AND a.attinhcount > 0
    LEFT JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname
    LEFT JOIN pg_attrdef pd ON pd.adrelid = p.attrelid AND pd.adnum = p.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
