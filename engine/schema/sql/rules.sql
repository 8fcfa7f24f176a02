-- What hangs on a table or a view: triggers, rules, policies, statistics (which tell columns by number: here by name).
SELECT 'pg_trigger'::regclass::oid AS class, g.oid, 0 AS sub, 'trigger' AS kind,
    format('%I ON %s%I', g.tgname, n.q, r.relname) AS name, n.q || quote_ident(r.relname) AS parent, 0 AS position,
    NULL AS owner, pg_get_triggerdef(g.oid, true) AS definition,
    CASE WHEN g.tgenabled <> 'O' THEN format('ALTER TABLE %s%I %s TRIGGER %I', n.q, r.relname, CASE g.tgenabled
        WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, g.tgname) END AS after
FROM pg_trigger g JOIN pg_class r ON r.oid = g.tgrelid JOIN ns n ON n.oid = r.relnamespace
WHERE NOT g.tgisinternal AND g.tgparentid = 0
UNION ALL
SELECT 'pg_rewrite'::regclass, w.oid, 0, 'rule', format('%I ON %s%I', w.rulename, n.q, r.relname),
    n.q || quote_ident(r.relname), 0, NULL, rtrim(pg_get_ruledef(w.oid, true), ';'),
    CASE WHEN w.ev_enabled <> 'O' THEN format('ALTER TABLE %s%I %s RULE %I', n.q, r.relname, CASE w.ev_enabled
        WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, w.rulename) END
FROM pg_rewrite w JOIN pg_class r ON r.oid = w.ev_class JOIN ns n ON n.oid = r.relnamespace
WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'pg_policy'::regclass, p.oid, 0, 'policy', format('%I ON %s%I', p.polname, n.q, r.relname),
    n.q || quote_ident(r.relname), 0, NULL,
    concat_ws(' ', format('CREATE POLICY %I ON %s%I AS %s FOR %s TO %s', p.polname, n.q, r.relname,
        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
            ELSE 'ALL' END,
        (SELECT string_agg(y, ', ' ORDER BY y COLLATE "C") FROM (SELECT CASE x WHEN 0 THEN 'PUBLIC'
            ELSE quote_ident(pg_get_userbyid(x)) END AS y FROM unnest(p.polroles) x) z)),
        'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
        'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')'), NULL
FROM pg_policy p JOIN pg_class r ON r.oid = p.polrelid JOIN ns n ON n.oid = r.relnamespace
UNION ALL
SELECT 'pg_statistic_ext'::regclass, s.oid, 0, 'statistics', n.q || quote_ident(s.stxname),
    CASE WHEN rn.nspname = n.nspname THEN n.q ELSE quote_ident(rn.nspname) || '.' END || quote_ident(r.relname), 0,
    pg_get_userbyid(s.stxowner),
    concat(format('CREATE STATISTICS %s%I', n.q, s.stxname), CASE WHEN to_jsonb(s) ->> 'stxexprs' IS NULL
        THEN concat(substring(x.rest FROM '^ \([a-z, ]+\)'), ' ON ', (SELECT string_agg(quote_ident(a.attname), ', '
            ORDER BY a.attname COLLATE "C") FROM pg_attribute a WHERE a.attrelid = s.stxrelid AND a.attnum = ANY (s.stxkeys)),
            ' FROM ', s.stxrelid::regclass)
        ELSE x.rest END),
    format('ALTER STATISTICS %s%I SET STATISTICS ', n.q, s.stxname) || nullif(to_jsonb(s) ->> 'stxstattarget', '-1')
FROM pg_statistic_ext s JOIN ns n ON n.oid = s.stxnamespace JOIN pg_class r ON r.oid = s.stxrelid
    JOIN pg_namespace rn ON rn.oid = r.relnamespace
    CROSS JOIN LATERAL (SELECT substr(pg_get_statisticsobjdef(s.oid), length(format('CREATE STATISTICS %I.%I', n.nspname,
        s.stxname)) + 1) AS rest) x
