-- The rows of a database as rows (object, position, line): of each table how many there are and a digest of all of
-- them, of each sequence where it stands. For databases as small as trials are.
SELECT CASE c.relkind WHEN 'S' THEN 'sequence ' ELSE 'rows of ' END || format('%I.%I', n.nspname, c.relname) AS object,
    0 AS position, trim(regexp_replace(query_to_xml(CASE c.relkind
        WHEN 'S' THEN format('SELECT last_value, is_called FROM %I.%I', n.nspname, c.relname)
        ELSE format('SELECT count(*), md5(string_agg(md5(r::text), '''' ORDER BY md5(r::text))) FROM ONLY %I.%I r',
            n.nspname, c.relname) END, true, true, '')::text, '<[^>]*>|\s+', ' ', 'g')) AS line
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'S') AND n.nspname NOT LIKE 'pg\_%'
    AND n.nspname NOT IN ('information_schema', 'pgtide') AND c.relname <> 'alembic_version'
    AND (c.relkind <> 'm' OR c.relispopulated)
