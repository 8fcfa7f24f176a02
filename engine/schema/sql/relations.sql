-- Tables, views and sequences; schemas and extensions, in which they are. Identity columns' sequences are told with
-- their columns.
, rel AS (
    SELECT c.*, n.q || quote_ident(c.relname) AS named FROM pg_class c JOIN ns n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S') AND NOT (c.relkind = 'r' AND c.relname = 'alembic_version')
)
SELECT 'pg_class'::regclass::oid AS class, c.oid, 0 AS sub,
    CASE c.relkind WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'
        WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind,
    c.named AS name, NULL AS parent, 0 AS position, pg_get_userbyid(c.relowner) AS owner,
    CASE c.relpersistence WHEN 'u' THEN 'yes' END AS unlogged,
    nullif(c.reloftype, 0)::regtype::text AS of_type,
    (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) FROM pg_inherits i
        WHERE i.inhrelid = c.oid AND NOT c.relispartition) AS inherits,
    (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition)
        AS partition_of,
    pg_get_expr(c.relpartbound, c.oid) AS bounds,
    pg_get_partkeydef(c.oid) AS partition_by,
    CASE WHEN c.relkind IN ('r', 'p', 'm') THEN nullif(m.amname, 'heap') END AS access_method,
    s.spcname AS tablespace,
    (SELECT string_agg(x, ', ' ORDER BY x COLLATE "C") FROM unnest(c.reloptions) x) AS options,
    (SELECT string_agg('toast.' || x, ', ' ORDER BY x COLLATE "C") FROM unnest(t.reloptions) x) AS toast_options,
    CASE WHEN c.relforcerowsecurity AND c.relrowsecurity THEN 'enabled and forced' WHEN c.relrowsecurity THEN 'enabled'
        WHEN c.relforcerowsecurity THEN 'forced' END AS row_security,
    CASE WHEN c.relkind IN ('r', 'p') THEN CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full'
        WHEN 'i' THEN 'index' END END AS replica_identity,
    sv.server, sv.server_options,
    CASE WHEN c.relkind IN ('v', 'm') THEN (SELECT string_agg(quote_ident(a.attname) || ' '
        || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) END AS columns,
    CASE WHEN c.relkind IN ('v', 'm') THEN btrim(pg_get_viewdef(c.oid), ' ;') END AS query,
    CASE WHEN c.relkind = 'm' AND NOT c.relispopulated THEN 'no' END AS populated,
    (SELECT format('AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s',
        format_type(q.seqtypid, NULL), q.seqincrement, q.seqmin, q.seqmax, q.seqstart, q.seqcache,
        CASE WHEN q.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) FROM pg_sequence q WHERE q.seqrelid = c.oid)
        AS parameters,
    CASE WHEN c.relkind = 'S' THEN (SELECT format('%s.%I', d.refobjid::regclass, a.attname) FROM pg_depend d
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass
            AND d.deptype = 'a') END AS owned_by,
    NULL AS version, NULL AS in_schema
FROM rel c LEFT JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    LEFT JOIN (SELECT f.ftrelid, quote_ident(v.srvname) AS server, (SELECT string_agg(format('%I %L', o.option_name,
            o.option_value), ', ' ORDER BY o.option_name COLLATE "C") FROM pg_options_to_table(f.ftoptions) o) AS server_options
        FROM pg_foreign_table f JOIN pg_foreign_server v ON v.oid = f.ftserver) sv ON sv.ftrelid = c.oid
WHERE NOT (c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass
    AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'))
UNION ALL
SELECT 'pg_namespace'::regclass, n.oid, 0, 'schema', quote_ident(n.nspname), NULL, 0, pg_get_userbyid(o.nspowner),
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL
FROM ns n JOIN pg_namespace o USING (oid) WHERE $1::text = ''
UNION ALL
SELECT 'pg_extension'::regclass, e.oid, 0, 'extension', quote_ident(e.extname), NULL, 0, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    e.extversion, quote_ident(n.nspname)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE $1::text = ''
