-- What this database was asked that names one of $1: rows of user, id, calls, since, text. $2 is the schema of
-- pg_stat_statements. The first row is of the statistics as a whole: how many entries had to go, and since when they
-- count.
SELECT NULL AS who, NULL AS id, $3 AS calls, $4 AS since, NULL AS text
UNION ALL
(SELECT coalesce(pg_get_userbyid(s.userid), s.userid::text), s.queryid::text || CASE WHEN to_jsonb(s) ->> 'toplevel' = 'false'
    THEN '+' ELSE '' END, s.calls::text, to_jsonb(s) ->> 'stats_since', s.query
FROM $2.pg_stat_statements s
WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
    AND EXISTS (SELECT FROM jsonb_array_elements_text($1::jsonb) w (name) WHERE strpos(lower(s.query), lower(w.name)) > 0)
ORDER BY s.userid, s.queryid LIMIT 20001)
