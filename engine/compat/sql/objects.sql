-- Who in this database refers to what is taken away: $1, a list of takes. By the catalog's own dependencies, and by
-- their texts for functions, which the server does not look into. Run under search_path pg_catalog; pgtide.path holds
-- the schemas in which an unqualified name is looked for. Rows: what, take, kind, name, said, text, schema.
WITH RECURSIVE take AS (
    SELECT * FROM jsonb_to_recordset($1::jsonb) AS t (i int, kind text, how text, missed bool, schema text, name text,
        part text, arguments int)
), space AS (
    SELECT oid, nspname, coalesce(array_position(current_setting('pgtide.path')::name[], nspname), 1000) AS place
    FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgtide')
), named AS ( -- in the path, else wherever there is one
    SELECT * FROM (SELECT t.i, t.kind, t.how, t.missed, t.part, c.oid, c.reltype, c.relkind, c.relname, s.nspname,
            rank() OVER (PARTITION BY t.i ORDER BY s.place) AS rank
        FROM take t JOIN pg_class c ON c.relname = t.name JOIN space s ON s.oid = c.relnamespace
        WHERE t.kind IN ('relation', 'column', 'sequence', 'attached') AND (t.schema = '' OR s.nspname = t.schema)
            AND (c.relkind = 'S') = (t.kind = 'sequence')
            AND c.relkind = ANY (CASE WHEN t.kind = 'column' THEN '{r,p,v,m,f,c}' ELSE '{r,p,v,m,f,S}' END::"char"[])) x
    WHERE rank = 1
), rel AS ( -- and what goes with it: partitions of a table, a column of what inherits it
    SELECT i, kind, how, missed, part, oid, reltype, relkind, relname, nspname, false AS child FROM named
    UNION
    SELECT r.i, r.kind, r.how, r.missed, r.part, c.oid, c.reltype, c.relkind, c.relname, n.nspname, true
    FROM rel r JOIN pg_inherits h ON h.inhparent = r.oid JOIN pg_class c ON c.oid = h.inhrelid
        JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE r.kind = 'relation' AND r.how = 'dropped' AND c.relispartition AND c.relkind IN ('r', 'p', 'f')
        OR r.kind = 'column' AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = r.part
            AND a.attinhcount > 0 AND (r.how <> 'dropped' OR NOT a.attislocal))
), fun AS (
    SELECT * FROM (SELECT t.i, t.kind, t.how, t.missed, p.oid, p.proname, s.nspname, rank() OVER (PARTITION BY t.i
            ORDER BY s.place, t.arguments >= 0 AND p.pronargs <> t.arguments) AS rank
        FROM take t JOIN pg_proc p ON p.proname = t.name JOIN space s ON s.oid = p.pronamespace
        WHERE t.kind = 'function' AND (t.schema = '' OR s.nspname = t.schema)) x
    WHERE rank = 1
), typ AS (
    SELECT * FROM (SELECT t.i, t.kind, t.how, t.missed, y.oid, y.typarray, y.typrelid, y.typname, s.nspname,
            rank() OVER (PARTITION BY t.i ORDER BY s.place) AS rank
        FROM take t JOIN pg_type y ON y.typname = t.name JOIN space s ON s.oid = y.typnamespace
        WHERE t.kind IN ('type', 'label') AND (t.schema = '' OR s.nspname = t.schema)) x
    WHERE rank = 1
), spc AS (
    SELECT t.i, t.kind, t.how, t.missed, s.oid, s.nspname FROM take t JOIN space s ON s.nspname = t.name WHERE t.kind = 'schema'
), found AS ( -- what others depend on; a table's rows are a type as well
    SELECT i, how, missed, 'pg_class'::regclass AS class, oid, 0 AS sub, oid AS relation FROM rel WHERE kind IN ('relation', 'sequence')
    UNION ALL SELECT i, how, missed, 'pg_type'::regclass, y.oid, 0, r.oid FROM rel r JOIN pg_type y
        ON r.reltype <> 0 AND y.oid IN (r.reltype, (SELECT e.typarray FROM pg_type e WHERE e.oid = r.reltype))
    WHERE kind = 'relation'
    UNION ALL SELECT i, how, missed, 'pg_class'::regclass, r.oid, a.attnum, r.oid FROM rel r JOIN pg_attribute a ON a.attrelid = r.oid
        AND a.attname = r.part AND a.attnum > 0 AND NOT a.attisdropped WHERE r.kind = 'column'
    UNION ALL SELECT i, how, missed, 'pg_proc'::regclass, oid, 0, 0 FROM fun
    UNION ALL SELECT i, how, missed, 'pg_type'::regclass, y, 0, 0 FROM typ, unnest(ARRAY[oid, typarray]) y WHERE y <> 0 AND kind = 'type'
    UNION ALL SELECT s.i, how, missed, 'pg_class'::regclass, c.oid, 0, c.oid FROM spc s JOIN pg_class c ON c.relnamespace = s.oid
    UNION ALL SELECT s.i, how, missed, 'pg_type'::regclass, y.oid, 0, y.typrelid FROM spc s JOIN pg_type y ON y.typnamespace = s.oid
    UNION ALL SELECT s.i, how, missed, 'pg_proc'::regclass, p.oid, 0, 0 FROM spc s JOIN pg_proc p ON p.pronamespace = s.oid
), gone AS ( -- whole things that are no user of anything any more
    SELECT class, oid FROM found WHERE sub = 0 AND how IN ('dropped', 'replaced')
), pair AS (
    SELECT DISTINCT f.i, f.class AS target, f.oid AS target_oid, f.sub AS target_sub, f.relation, d.classid, d.objid, d.objsubid
    FROM found f JOIN pg_depend d ON d.refclassid = f.class AND d.refobjid = f.oid AND (f.sub = 0 OR d.refobjsubid = f.sub)
    WHERE f.missed AND f.how IN ('dropped', 'changed') AND d.deptype IN ('n', 'a')
), dependent AS (
    SELECT p.*, w.ev_class, w.rulename, b.adnum, k.contype, k.confrelid, k.conparentid, c.relkind, c.relispartition,
        coalesce(w.ev_class, t.tgrelid, o.polrelid, nullif(k.conrelid, 0), b.adrelid, x.indrelid) AS owner,
        coalesce(w.rulename, t.tgname, o.polname, k.conname) AS label, b.oid IS NOT NULL AND EXISTS (SELECT FROM pg_attribute a
            WHERE a.attrelid = b.adrelid AND a.attnum = b.adnum AND a.attgenerated <> '') AS generated
    FROM pair p
    LEFT JOIN pg_rewrite w ON p.classid = 'pg_rewrite'::regclass AND w.oid = p.objid
    LEFT JOIN pg_trigger t ON p.classid = 'pg_trigger'::regclass AND t.oid = p.objid
    LEFT JOIN pg_policy o ON p.classid = 'pg_policy'::regclass AND o.oid = p.objid
    LEFT JOIN pg_constraint k ON p.classid = 'pg_constraint'::regclass AND k.oid = p.objid
    LEFT JOIN pg_attrdef b ON p.classid = 'pg_attrdef'::regclass AND b.oid = p.objid
    LEFT JOIN pg_class c ON p.classid = 'pg_class'::regclass AND c.oid = p.objid
    LEFT JOIN pg_index x ON p.classid = 'pg_class'::regclass AND p.objsubid = 0 AND x.indexrelid = p.objid
), other AS (
    SELECT DISTINCT d.i, d.generated, CASE WHEN d.rulename = '_RETURN' THEN 'pg_class'::regclass ELSE d.classid END AS class,
        CASE WHEN d.rulename = '_RETURN' THEN d.ev_class ELSE d.objid END AS oid,
        CASE WHEN d.rulename = '_RETURN' THEN 0 ELSE d.objsubid END AS sub
    FROM dependent d
    WHERE CASE
        WHEN d.relation <> 0 AND d.target_sub = 0 THEN d.owner IS DISTINCT FROM d.relation AND d.objid <> d.relation
            AND coalesce(NOT d.relispartition, true) AND (d.relkind IS NULL OR d.relkind NOT IN ('S', 't'))
        WHEN d.relation <> 0 THEN (d.contype IS NULL OR d.contype = 'f' AND d.confrelid = d.relation AND d.owner <> d.relation)
            AND (d.relkind IS NULL OR d.relkind NOT IN ('i', 'I', 'S', 't'))
            AND NOT coalesce(d.owner = d.relation AND d.adnum = d.target_sub, false)
            AND d.classid <> 'pg_statistic_ext'::regclass
            AND NOT coalesce(d.owner = d.relation AND d.rulename = '_RETURN', false)
        ELSE d.relkind IS DISTINCT FROM 't' END
        AND coalesce(d.conparentid, 0) = 0 -- the one of the whole table is told
        AND NOT EXISTS (SELECT FROM gone g WHERE g.class = 'pg_class'::regclass AND g.oid = d.owner)
        AND NOT EXISTS (SELECT FROM gone g WHERE g.class = d.classid AND g.oid = d.objid)
        AND NOT EXISTS (SELECT FROM rel a WHERE a.kind = 'attached' AND a.oid = d.owner AND a.part = d.label)
        AND NOT EXISTS (SELECT FROM found c WHERE c.class = 'pg_class'::regclass AND c.sub <> 0 AND c.how = 'dropped'
            AND c.oid = CASE WHEN d.classid = 'pg_attrdef'::regclass THEN d.owner ELSE d.objid END
            AND c.sub = CASE WHEN d.classid = 'pg_attrdef'::regclass THEN d.adnum ELSE d.objsubid END)
)
SELECT 'found' AS what, r.i, CASE WHEN r.kind = 'column' THEN 'column' ELSE (pg_identify_object('pg_class'::regclass, r.oid, 0)).type END
        AS kind, format('%I.%I', r.nspname, r.relname) || CASE WHEN r.kind = 'column' THEN format('.%I', r.part) ELSE '' END AS name,
    (SELECT count(*) FROM pg_class c JOIN space s ON s.oid = c.relnamespace WHERE c.relname = r.relname AND c.oid <> r.oid
        AND c.relkind IN ('r', 'p', 'v', 'm', 'f'))::text AS said,
    CASE WHEN r.kind = 'column' THEN (SELECT array_agg(DISTINCT c.relname)::text FROM pg_attribute a JOIN pg_class c
        ON c.oid = a.attrelid JOIN space s ON s.oid = c.relnamespace WHERE a.attname = r.part AND a.attnum > 0
        AND NOT a.attisdropped AND c.oid <> r.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f')) END AS text,
    r.nspname AS schema
FROM rel r WHERE r.missed AND NOT r.child AND (r.kind <> 'column' OR EXISTS (SELECT FROM found f WHERE f.i = r.i AND f.sub <> 0))
UNION ALL
SELECT 'child', r.i, NULL, r.relname, NULL, NULL, r.nspname FROM rel r WHERE r.missed AND r.child
UNION ALL
SELECT 'source', r.i, NULL, p.proname, NULL, NULL, NULL FROM rel r JOIN pg_proc p ON p.prorettype = r.reltype
WHERE r.missed AND r.kind = 'column' AND r.reltype <> 0
UNION ALL
SELECT 'found', f.i, 'function', format('%I.%I', f.nspname, f.proname), (SELECT count(*) FROM pg_proc p JOIN space s
    ON s.oid = p.pronamespace WHERE p.proname = f.proname AND NOT EXISTS (SELECT FROM gone g WHERE g.class = 'pg_proc'::regclass
    AND g.oid = p.oid) AND p.oid <> f.oid)::text, NULL, f.nspname
FROM fun f WHERE f.missed
UNION ALL
SELECT 'found', t.i, t.kind, format('%I.%I', t.nspname, t.typname), '0', NULL, t.nspname FROM typ t WHERE t.missed
UNION ALL
SELECT 'found', s.i, 'schema', quote_ident(s.nspname), '0', NULL, s.nspname FROM spc s WHERE s.missed
UNION ALL
SELECT 'object', o.i, CASE WHEN o.generated THEN 'generated column' WHEN d.type = 'default value' THEN 'default'
    WHEN d.type = 'publication relation' THEN 'publication' ELSE d.type END, regexp_replace(d.identity, '^for ', ''), NULL, NULL, NULL
FROM other o CROSS JOIN LATERAL pg_identify_object(o.class, o.oid, o.sub) d
WHERE NOT EXISTS (SELECT FROM spc s WHERE s.i = o.i AND d.identity LIKE '%' || quote_ident(s.nspname) || '.%'
        AND d.schema IS NOT DISTINCT FROM s.nspname)
    AND NOT EXISTS (SELECT FROM gone g WHERE g.class = o.class AND g.oid = o.oid AND o.sub = 0)
    AND d.schema IS DISTINCT FROM 'pgtide'
UNION ALL
SELECT 'function', t.i, CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END, p.oid::regprocedure::text,
    CASE WHEN EXISTS (SELECT FROM rel r WHERE r.i = t.i AND (r.child AND strpos(lower(p.prosrc), lower(r.relname)) > 0
        OR r.reltype = ANY (p.proargtypes) OR r.reltype = p.prorettype
        OR EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = r.oid AND g.tgfoid = p.oid))) THEN 't' ELSE 'f' END, p.prosrc, NULL
FROM take t JOIN pg_proc p ON strpos(replace(lower(p.prosrc), '""', '"'), lower(CASE WHEN t.part <> '' THEN t.part ELSE t.name END)) > 0
    JOIN space s ON s.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang AND l.lanname NOT IN ('c', 'internal')
WHERE t.missed AND NOT EXISTS (SELECT FROM gone g WHERE g.class = 'pg_proc'::regclass AND g.oid = p.oid)
    AND NOT EXISTS (SELECT FROM found f WHERE f.i = t.i AND f.class = 'pg_proc'::regclass AND f.oid = p.oid)
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'statements', NULL, e.extversion, quote_ident(n.nspname), CASE
    WHEN current_setting('pg_stat_statements.max', true) IS NULL THEN 'pg_stat_statements is not in shared_preload_libraries'
    WHEN current_setting('pg_stat_statements.track', true) = 'none' THEN 'pg_stat_statements.track is none'
    WHEN NOT pg_has_role('pg_read_all_stats', 'USAGE') THEN format('role %I may not see others'' statements: grant it pg_read_all_stats',
        current_user)
    WHEN NOT has_schema_privilege(n.oid, 'USAGE') THEN format('role %I may not use schema %I, where pg_stat_statements is',
        current_user, n.nspname) END, current_user, NULL
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_stat_statements'
ORDER BY 1, 2, 3, 4
LIMIT 20001
