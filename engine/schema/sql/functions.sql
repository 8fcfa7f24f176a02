-- Functions, procedures and aggregates.
SELECT 'pg_proc'::regclass::oid AS class, p.oid, 0 AS sub,
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
    format('%s%I(%s)', n.q, p.proname, CASE WHEN p.prokind = 'a'
        THEN coalesce(nullif(pg_get_function_identity_arguments(p.oid), ''), '*') ELSE (SELECT
        string_agg(format_type(y, NULL), ', ' ORDER BY o) FROM unnest(p.proargtypes) WITH ORDINALITY u (y, o)) END) AS name,
    NULL AS parent, 0 AS position, pg_get_userbyid(p.proowner) AS owner,
    CASE WHEN p.prokind <> 'a' THEN nullif(pg_get_function_arguments(p.oid), '') END AS arguments,
    CASE WHEN p.prokind <> 'a' THEN pg_get_function_result(p.oid) END AS result,
    CASE WHEN p.prokind <> 'a' THEN rtrim(CASE WHEN n.q = '' THEN regexp_replace(pg_get_functiondef(p.oid),
        '^(CREATE OR REPLACE (?:FUNCTION|PROCEDURE) )(?:"(?:[^"]|"")+"|[^ ".]+)\.', '\1') ELSE pg_get_functiondef(p.oid) END, E'\n')
    ELSE (SELECT format('CREATE AGGREGATE %s%I(%s) (%s)', n.q, p.proname,
        coalesce(nullif(pg_get_function_arguments(p.oid), ''), '*'), concat_ws(', ',
        'SFUNC = ' || a.aggtransfn, 'STYPE = ' || format_type(a.aggtranstype, NULL), 'SSPACE = ' || nullif(a.aggtransspace, 0),
        'FINALFUNC = ' || nullif(a.aggfinalfn::oid, 0)::regproc, CASE WHEN a.aggfinalextra THEN 'FINALFUNC_EXTRA' END,
        'FINALFUNC_MODIFY = ' || CASE WHEN a.aggfinalfn <> 0 THEN CASE a.aggfinalmodify WHEN 'r' THEN 'READ_ONLY'
            WHEN 's' THEN 'SHAREABLE' ELSE 'READ_WRITE' END END,
        'COMBINEFUNC = ' || nullif(a.aggcombinefn::oid, 0)::regproc, 'SERIALFUNC = ' || nullif(a.aggserialfn::oid, 0)::regproc,
        'DESERIALFUNC = ' || nullif(a.aggdeserialfn::oid, 0)::regproc, 'INITCOND = ' || quote_literal(a.agginitval),
        'MSFUNC = ' || nullif(a.aggmtransfn::oid, 0)::regproc, 'MINVFUNC = ' || nullif(a.aggminvtransfn::oid, 0)::regproc,
        'MSTYPE = ' || format_type(nullif(a.aggmtranstype, 0), NULL), 'MSSPACE = ' || nullif(a.aggmtransspace, 0),
        'MFINALFUNC = ' || nullif(a.aggmfinalfn::oid, 0)::regproc, CASE WHEN a.aggmfinalextra THEN 'MFINALFUNC_EXTRA' END,
        'MINITCOND = ' || quote_literal(a.aggminitval),
        'SORTOP = ' || (SELECT format('OPERATOR(%I.%s)', on_.nspname, o.oprname) FROM pg_operator o
            JOIN pg_namespace on_ ON on_.oid = o.oprnamespace WHERE o.oid = a.aggsortop),
        'PARALLEL = ' || CASE p.proparallel WHEN 's' THEN 'SAFE' WHEN 'r' THEN 'RESTRICTED' END,
        CASE WHEN a.aggkind = 'h' THEN 'HYPOTHETICAL' END))
        FROM pg_aggregate a WHERE a.aggfnoid = p.oid) END AS definition
FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype IN ('e', 'i'))
