-- What needs what, among objects that are not the server's own; e: it belongs to an extension.
SELECT d.classid AS class, d.objid AS oid, d.objsubid AS sub, d.refclassid, d.refobjid, d.refobjsubid,
    d.deptype = 'e' AS extension
FROM pg_depend d
WHERE d.objid >= 16384 AND (d.refobjid >= 16384 OR d.refclassid = 'pg_namespace'::regclass)
    AND (d.deptype IN ('n', 'a', 'e') OR d.deptype IN ('P', 'S'))
