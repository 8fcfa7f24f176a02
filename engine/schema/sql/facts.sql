-- What is said of objects of every kind: comments, security labels, and who beside the owner may do what.
, acl AS (
    SELECT 'pg_class'::regclass::oid AS class, oid, 0 AS sub, relacl AS acl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END AS kind,
        relowner AS owner FROM pg_class WHERE relacl IS NOT NULL
    UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum, attacl, 'c', c.relowner
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE attacl IS NOT NULL AND NOT attisdropped
    UNION ALL SELECT 'pg_proc'::regclass, oid, 0, proacl, 'f', proowner FROM pg_proc WHERE proacl IS NOT NULL
    UNION ALL SELECT 'pg_type'::regclass, oid, 0, typacl, 'T', typowner FROM pg_type WHERE typacl IS NOT NULL
    UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, nspacl, 'n', nspowner FROM pg_namespace WHERE nspacl IS NOT NULL
    UNION ALL SELECT 'pg_language'::regclass, oid, 0, lanacl, 'l', lanowner FROM pg_language WHERE lanacl IS NOT NULL
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl, 'F', fdwowner FROM pg_foreign_data_wrapper
    WHERE fdwacl IS NOT NULL
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, srvacl, 'S', srvowner FROM pg_foreign_server WHERE srvacl IS NOT NULL
    UNION ALL SELECT 'pg_default_acl'::regclass, oid, 0, defaclacl, CASE WHEN defaclnamespace <> 0 THEN NULL
        WHEN defaclobjtype = 'S' THEN 's' ELSE defaclobjtype::text END, defaclrole FROM pg_default_acl
)
SELECT classoid AS class, objoid AS oid, objsubid AS sub, 'comment' AS key, quote_literal(description) AS value
FROM pg_description WHERE objoid >= 16384 OR classoid = 'pg_namespace'::regclass
UNION ALL
SELECT classoid, objoid, objsubid, 'security_label', string_agg(format('FOR %I %L', provider, label), E'\n'
    ORDER BY provider COLLATE "C")
FROM pg_seclabel WHERE objoid >= 16384 GROUP BY 1, 2, 3
UNION ALL
SELECT x.class, x.oid, x.sub, 'grants', coalesce(x.given, 'none')
FROM (SELECT a.class, a.oid, a.sub, (SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM (
        SELECT concat(CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
            CASE WHEN e.is_grantable THEN ' with grant option' END, ': ',
            string_agg(DISTINCT e.privilege_type, ', ' ORDER BY e.privilege_type)) AS line
        FROM aclexplode(a.acl) e WHERE e.grantee <> a.owner GROUP BY e.grantee, e.is_grantable) g) AS given,
    CASE WHEN a.kind IN ('f', 'T', 'l') THEN (SELECT string_agg(format('PUBLIC: %s', e.privilege_type), E'\n')
        FROM aclexplode(acldefault(a.kind::"char", a.owner)) e WHERE e.grantee = 0) END AS usual
    FROM acl a) x
WHERE x.given IS DISTINCT FROM x.usual
