-- Put in front of the other queries: the schemas that are read, and what stands before a name of theirs. $1 is one
-- schema, whose own name is then in no text, or '' for all of the database.
WITH ns AS (
    SELECT oid, nspname, CASE WHEN $1::text = '' THEN quote_ident(nspname) || '.' ELSE '' END AS q
    FROM pg_namespace
    WHERE CASE WHEN $1::text = '' THEN nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'pgtide')
        ELSE nspname = $1::text END
)
