-- What rewriting has to know of one table: kind, name, a, b, c. Follows "WITH asked AS (SELECT ... AS oid)".
-- table    name, relkind, server version; c: s row security, i inherits or is inherited, d a default partition
-- column   name, type with collation, default; c: n NOT NULL, a or d identity, g generated, p a key of its own
--          for rights, then the statistics target behind a blank
-- sequence the column, its sequence as SQL and plain; c: a of serial, i of IDENTITY; o with other than the usual
--          options, or with rights of its own
-- key      the columns that batches go by
, t AS (SELECT c.* FROM asked JOIN pg_catalog.pg_class c ON c.oid = asked.oid),
columns AS (SELECT a.*, ty.typcollation, d.oid AS default_oid,
               pg_get_expr(d.adbin, d.adrelid) AS default_text
            FROM t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
            JOIN pg_catalog.pg_type ty ON ty.oid = a.atttypid
            LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum),
indexes AS (SELECT i.*, c.relname, m.amname, t.relkind FROM t JOIN pg_catalog.pg_index i ON i.indrelid = t.oid
            JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_am m ON m.oid = c.relam),
facts AS (
SELECT 1 AS part, 0 AS nr, 'table' AS kind, relname::text AS name, relkind::text AS a,
    pg_catalog.current_setting('server_version_num') AS b,
    CASE WHEN relrowsecurity THEN 's' ELSE '' END || CASE WHEN relispartition OR EXISTS (
        SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = t.oid OR (i.inhparent = t.oid AND relkind = 'r'))
        THEN 'i' ELSE '' END || CASE WHEN EXISTS (
        SELECT FROM pg_catalog.pg_partitioned_table p WHERE p.partrelid = t.oid AND p.partdefid <> 0)
        THEN 'd' ELSE '' END AS c
FROM t
UNION ALL
SELECT 2, attnum, 'column', attname::text, pg_catalog.format_type(atttypid, atttypmod) ||
    CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation::text ELSE '' END,
    CASE WHEN attgenerated = '' THEN default_text END,
    CASE WHEN attnotnull THEN 'n' ELSE '' END || attidentity::text || CASE WHEN attgenerated <> '' THEN 'g' ELSE '' END ||
    CASE WHEN attacl IS NOT NULL THEN 'p' ELSE '' END ||
    CASE WHEN coalesce(attstattarget, -1) >= 0 THEN ' ' || attstattarget ELSE '' END
FROM columns
UNION ALL
SELECT 3, attnum, 'comment', attname::text, pg_catalog.col_description(attrelid, attnum), '', ''
FROM columns WHERE pg_catalog.col_description(attrelid, attnum) IS NOT NULL
UNION ALL
SELECT 4, attnum, 'sequence', attname::text, s.oid::regclass::text, s.relname::text, d.deptype::text ||
    CASE WHEN s.relacl IS NOT NULL OR EXISTS (SELECT FROM pg_catalog.pg_sequence q WHERE q.seqrelid = s.oid
            AND (q.seqincrement, q.seqstart, q.seqmin, q.seqcache, q.seqcycle, q.seqmax) IS DISTINCT FROM
                (1, 1, 1, 1, false, CASE q.seqtypid WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647
                    ELSE 9223372036854775807 END))
        THEN 'o' ELSE '' END
FROM columns JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = attrelid
    AND d.refobjsubid = attnum AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
UNION ALL
SELECT 5, (pg_catalog.row_number() OVER (ORDER BY relname))::int, 'index', relname::text, pg_catalog.pg_get_indexdef(indexrelid),
    coalesce((SELECT contype::text || CASE WHEN condeferrable THEN ' DEFERRABLE' ELSE '' END
            || CASE WHEN condeferred THEN ' INITIALLY DEFERRED' ELSE '' END
        FROM pg_catalog.pg_constraint k WHERE k.conindid = indexrelid AND k.contype IN ('p', 'u', 'x')), ''),
    CASE WHEN indisvalid THEN '' ELSE 'v' END || CASE WHEN indisclustered THEN 'c' ELSE '' END ||
    CASE WHEN indisreplident THEN 'r' ELSE '' END
FROM indexes
UNION ALL
SELECT 6, (pg_catalog.row_number() OVER (ORDER BY conname))::int, CASE contype WHEN 'c' THEN 'check' ELSE 'fk' END,
    conname::text, pg_catalog.pg_get_constraintdef(k.oid), '', CASE WHEN convalidated THEN '' ELSE 'v' END
FROM t JOIN pg_catalog.pg_constraint k ON k.conrelid = t.oid AND k.contype IN ('c', 'f')
UNION ALL
SELECT 7, (pg_catalog.row_number() OVER (ORDER BY k.conrelid::regclass::text, conname))::int, 'referenced', conname::text,
    pg_catalog.pg_get_constraintdef(k.oid), k.conrelid::regclass::text, CASE WHEN k.conrelid = t.oid THEN 's' ELSE '' END
    || CASE WHEN c.relkind = 'p' THEN 'p' ELSE '' END
FROM t JOIN pg_catalog.pg_constraint k ON k.confrelid = t.oid AND k.contype = 'f' AND k.conparentid = 0
JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
UNION ALL
SELECT 8, attnum, 'obstacle', attname::text, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), '', ''
FROM columns JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = attrelid
    AND d.refobjsubid = attnum
WHERE NOT (d.classid = 'pg_catalog.pg_attrdef'::regclass AND d.objid IS NOT DISTINCT FROM default_oid)
    AND NOT (d.classid = 'pg_catalog.pg_constraint'::regclass AND (SELECT contype IN ('p', 'u', 'c', 'f', 'n')
        FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid))
    AND NOT (d.classid = 'pg_catalog.pg_class'::regclass AND (SELECT c.relkind IN ('i', 'S')
        FROM pg_catalog.pg_class c WHERE c.oid = d.objid))
UNION ALL
SELECT 9, (pg_catalog.row_number() OVER (ORDER BY indisprimary DESC, indnkeyatts, relname))::int, 'key', '',
    (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(attname), ',' ORDER BY place) FROM pg_catalog.unnest(indkey::int2[]) WITH ORDINALITY u(nr, place)
        JOIN columns ON attnum = u.nr WHERE place <= indnkeyatts), '', ''
FROM indexes WHERE indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL AND amname = 'btree'
    AND NOT EXISTS (SELECT FROM pg_catalog.unnest(indkey::int2[]) WITH ORDINALITY u(nr, place)
        LEFT JOIN columns ON attnum = u.nr WHERE place <= indnkeyatts AND attnotnull IS NOT TRUE)
UNION ALL
SELECT 10, (pg_catalog.row_number() OVER (ORDER BY x.grantee, x.is_grantable))::int, 'grant',
    CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
    pg_catalog.string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type), CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ''
FROM t, pg_catalog.aclexplode(t.relacl) x WHERE x.grantee <> t.relowner GROUP BY x.grantee, x.is_grantable)
SELECT kind, name, coalesce(a, ''), coalesce(b, ''), coalesce(c, '') FROM facts ORDER BY part, nr
