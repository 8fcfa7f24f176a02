-- Constraints of tables and domains, and indexes. What a child has from its parent is told of the parent only.
, idx AS (
    SELECT i.indexrelid, nullif(concat_ws(E'\n',
        CASE WHEN i.indisclustered THEN format('ALTER TABLE %s CLUSTER ON %I', i.indrelid::regclass, x.relname) END,
        CASE WHEN i.indisreplident
            THEN format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', i.indrelid::regclass, x.relname) END,
        (SELECT string_agg(format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', i.indexrelid::regclass, a.attnum,
            a.attstattarget), E'\n' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0)), '') AS after
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN ns n ON n.oid = x.relnamespace
)
SELECT 'pg_constraint'::regclass::oid AS class, c.oid, 0 AS sub, 'constraint' AS kind,
    format('%I ON %s%I', c.conname, n.q, r.relname) AS name, n.q || quote_ident(r.relname) AS parent, 0 AS position,
    CASE c.contype WHEN 'p' THEN 'primary key' WHEN 'u' THEN 'unique' WHEN 'f' THEN 'foreign key' WHEN 'x' THEN 'exclude'
        ELSE 'check' END AS type,
    format('ALTER TABLE %s%I ADD CONSTRAINT %I %s', n.q, r.relname, c.conname, pg_get_constraintdef(c.oid)) AS definition,
    nullif(concat_ws(E'\n', i.after, (SELECT format('ALTER INDEX %s SET (%s)', c.conindid::regclass,
        array_to_string(x.reloptions, ', ')) FROM pg_class x WHERE x.oid = i.indexrelid AND x.reloptions IS NOT NULL)),
        '') AS after,
    NULL AS valid
FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN ns n ON n.oid = r.relnamespace
    LEFT JOIN idx i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x')
WHERE c.contype IN ('p', 'u', 'f', 'x', 'c') AND c.coninhcount = 0 AND c.conparentid = 0
UNION ALL
SELECT 'pg_constraint'::regclass, c.oid, 0, 'constraint', format('%I ON DOMAIN %s%I', c.conname, n.q, t.typname),
    n.q || quote_ident(t.typname), 0, 'check',
    format('ALTER DOMAIN %s%I ADD CONSTRAINT %I %s', n.q, t.typname, c.conname, pg_get_constraintdef(c.oid)), NULL, NULL
FROM pg_constraint c JOIN pg_type t ON t.oid = c.contypid JOIN ns n ON n.oid = t.typnamespace
WHERE c.contype = 'c'
UNION ALL
SELECT 'pg_class'::regclass, i.indexrelid, 0, 'index', n.q || quote_ident(x.relname), n.q || quote_ident(r.relname), 0,
    CASE WHEN i.indisunique THEN 'unique' END,
    concat_ws(' ', concat(format('CREATE %sINDEX %I ON %s%I', CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname, n.q,
            r.relname), substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %sINDEX %I ON %s%I.%I',
            CASE WHEN i.indisunique THEN 'UNIQUE ' END, x.relname, CASE WHEN x.relkind = 'I' THEN 'ONLY ' END, n.nspname,
            r.relname)) + 1)),
        (SELECT format('TABLESPACE %I', s.spcname) FROM pg_tablespace s WHERE s.oid = x.reltablespace)),
    a.after, CASE WHEN NOT i.indisvalid THEN 'no' END
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN ns n ON n.oid = x.relnamespace
    JOIN pg_class r ON r.oid = i.indrelid JOIN idx a ON a.indexrelid = i.indexrelid
WHERE NOT x.relispartition AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid
    AND c.conrelid = i.indrelid AND c.contype IN ('p', 'u', 'x'))
