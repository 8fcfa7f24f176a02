-- Catalog rows that stand for an object told elsewhere: a view's rule for the view, a default for its column, row and
-- array types, the index of a constraint, a publication's tables.
SELECT 'pg_rewrite'::regclass::oid AS class, oid, 'pg_class'::regclass::oid AS to_class, ev_class AS to_oid, 0 AS to_sub
FROM pg_rewrite WHERE rulename = '_RETURN' AND oid >= 16384
UNION ALL
SELECT 'pg_attrdef'::regclass, oid, 'pg_class'::regclass, adrelid, adnum FROM pg_attrdef
UNION ALL
SELECT 'pg_type'::regclass, oid, 'pg_class'::regclass, typrelid, 0 FROM pg_type WHERE typrelid <> 0 AND oid >= 16384
UNION ALL
SELECT 'pg_type'::regclass, typarray, 'pg_type'::regclass, oid, 0 FROM pg_type WHERE typarray <> 0 AND oid >= 16384
UNION ALL
SELECT 'pg_type'::regclass, (to_jsonb(r) ->> 'rngmultitypid')::oid, 'pg_type'::regclass, rngtypid, 0
FROM pg_range r WHERE rngtypid >= 16384 AND to_jsonb(r) ? 'rngmultitypid'
UNION ALL
SELECT 'pg_class'::regclass, conindid, 'pg_constraint'::regclass, oid, 0 FROM pg_constraint
WHERE contype IN ('p', 'u', 'x') AND conindid <> 0
UNION ALL
SELECT 'pg_publication_rel'::regclass, oid, 'pg_publication'::regclass, prpubid, 0 FROM pg_publication_rel
