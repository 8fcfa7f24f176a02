-- Foreign keys whose columns no index begins with: oid, table, and what people call it.
SELECT c.oid, r.relname,
    pg_catalog.format('%s, of %s (%s)', c.conname, r.relname, (
        SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY k.place)
        FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number))
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
WHERE c.contype = 'f' AND c.conparentid = 0
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_index i
        WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL
            AND (i.indkey::pg_catalog.int2[])[0:pg_catalog.cardinality(c.conkey) - 1]
                OPERATOR(pg_catalog.@>) c.conkey)
ORDER BY r.relname, c.conname
