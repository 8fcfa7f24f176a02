-- The schema of a database as rows (object, position, line): all that pg_dump --schema-only would write, except
-- what belongs to extensions, schema pgtide and alembic_version. `position` counts a relation's columns and is 0
-- for everything else, so that columns in another order can be told from other columns. Runs under
-- search_path = pg_catalog, so that every name of the database's own is qualified. What PostgreSQL has added to its
-- catalogs since version 13 is read by to_jsonb(row) ->> 'column', which gives NULL where it is missing. The option
-- pg_attver is a counter of the server's own, which pg_dump leaves out too.
WITH ns AS MATERIALIZED (
    SELECT oid, nspname FROM pg_namespace
    WHERE nspname NOT LIKE 'pg\_%' AND nspname NOT IN ('information_schema', 'pgtide')
), ext AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), rel AS MATERIALIZED (
    SELECT c.*, n.nspname, format('%I.%I', n.nspname, c.relname) AS named,
        CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'table' WHEN 'f' THEN 'foreign table' WHEN 'v' THEN 'view'
            WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'c' THEN 'type' ELSE 'index' END AS kind
    FROM pg_class c JOIN ns n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c', 'i', 'I')
        AND c.relname NOT IN ('alembic_version', 'alembic_version_pkc', 'alembic_version_pkey')
        AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_class'::regclass AND objid = c.oid)
), typ AS MATERIALIZED (
    SELECT t.*, format('%I.%I', n.nspname, t.typname) AS named FROM pg_type t JOIN ns n ON n.oid = t.typnamespace
    WHERE t.typtype IN ('e', 'd', 'r', 'b') AND t.typelem = 0
        AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_type'::regclass AND objid = t.oid)
), fun AS MATERIALIZED (
    SELECT p.*, format('%s %I.%I(%s)', CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'
        ELSE 'function' END, n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS named
    FROM pg_proc p JOIN ns n ON n.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
), acl AS MATERIALIZED (
    SELECT 'schema ' || quote_ident(nspname) AS object, '' AS of, nspacl AS acl, 'n' AS kind, nspowner AS owner
    FROM pg_namespace JOIN ns USING (oid, nspname)
    UNION ALL SELECT kind || ' ' || named, '', relacl,
        CASE relkind WHEN 'S' THEN 's' ELSE 'r' END, relowner FROM rel
    UNION ALL SELECT r.kind || ' ' || r.named, ' of ' || quote_ident(a.attname), a.attacl, 'c', r.relowner
    FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL SELECT 'type ' || named, '', typacl, 'T', typowner FROM typ
    UNION ALL SELECT named, '', proacl, 'f', proowner FROM fun
    UNION ALL SELECT 'language ' || quote_ident(lanname), '', lanacl, 'l', lanowner FROM pg_language WHERE oid >= 16384
    UNION ALL SELECT 'foreign data wrapper ' || quote_ident(fdwname), '', fdwacl, 'F', fdwowner
    FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'server ' || quote_ident(srvname), '', srvacl, 'S', srvowner FROM pg_foreign_server
)
SELECT 'schema ' || quote_ident(n.nspname) AS object, 0 AS position,
    'owner ' || pg_get_userbyid(n.nspowner) AS line FROM pg_namespace n JOIN ns USING (oid)
UNION ALL
SELECT a.object, 0, 'privileges' || a.of || ': ' || (SELECT string_agg(x::text, ' ' ORDER BY x::text COLLATE "C")
    FROM unnest(a.acl) x)
FROM acl a WHERE a.acl IS NOT NULL AND NOT (a.acl @> acldefault(a.kind::"char", a.owner)
    AND acldefault(a.kind::"char", a.owner) @> a.acl)
UNION ALL
SELECT 'extension ' || quote_ident(e.extname), 0, format('version %s in %I', e.extversion, n.nspname)
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
-- relations
UNION ALL
SELECT r.kind || ' ' || r.named, 0, concat_ws(', ', 'owner ' || pg_get_userbyid(r.relowner),
    CASE r.relpersistence WHEN 'u' THEN 'unlogged' WHEN 't' THEN 'temporary' END,
    'using ' || m.amname, 'tablespace ' || s.spcname, 'with ' || r.reloptions::text,
    'toast with ' || x.reloptions::text, CASE WHEN r.relrowsecurity THEN 'row security' END,
    CASE WHEN r.relforcerowsecurity THEN 'forced row security' END,
    CASE WHEN r.relkind IN ('r', 'p', 'm') AND r.relreplident <> 'd' THEN 'replica identity ' || r.relreplident::text END,
    'of ' || nullif(r.reloftype, 0)::regtype, 'partition by ' || pg_get_partkeydef(r.oid),
    pg_get_expr(r.relpartbound, r.oid), CASE WHEN r.relkind = 'm' AND NOT r.relispopulated THEN 'not populated' END)
FROM rel r LEFT JOIN pg_am m ON m.oid = r.relam LEFT JOIN pg_tablespace s ON s.oid = r.reltablespace
    LEFT JOIN pg_class x ON x.oid = r.reltoastrelid
WHERE r.relkind NOT IN ('i', 'I')
UNION ALL
SELECT r.kind || ' ' || r.named, 0, format('inherits %s: %s', i.inhseqno, i.inhparent::regclass)
FROM pg_inherits i JOIN rel r ON r.oid = i.inhrelid WHERE r.relkind NOT IN ('i', 'I')
UNION ALL
SELECT r.kind || ' ' || r.named, (row_number() OVER (PARTITION BY a.attrelid ORDER BY a.attnum))::int,
    concat_ws(' ', 'column', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation END,
    CASE WHEN a.attnotnull THEN 'not null' END,
    CASE WHEN a.attgenerated <> '' THEN 'generated ' || a.attgenerated::text ELSE 'default' END
        || ' ' || pg_get_expr(d.adbin, d.adrelid),
    CASE a.attidentity WHEN 'a' THEN 'generated always as identity' WHEN 'd' THEN 'generated by default as identity' END,
    CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
    'compression ' || nullif(to_jsonb(a) ->> 'attcompression', ''),
    'statistics ' || nullif(coalesce(a.attstattarget, -1), -1),
    'with ' || (SELECT string_agg(o, ', ' ORDER BY o COLLATE "C") FROM unnest(a.attoptions) o
        WHERE o NOT LIKE 'pg\_attver=%'), 'options ' || a.attfdwoptions::text,
    CASE WHEN a.attinhcount > 0 AND NOT a.attislocal THEN 'inherited' END)
FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND r.relkind NOT IN ('S', 'i', 'I')
UNION ALL
SELECT r.kind || ' ' || r.named, 0, 'as ' || pg_get_viewdef(r.oid) FROM rel r WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT r.kind || ' ' || r.named, 0, format('%s start %s increment %s minimum %s maximum %s cache %s%s%s',
    format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
    CASE WHEN q.seqcycle THEN ' cycle' END, (SELECT format(' owned by %s.%I', d.refobjid::regclass, a.attname)
        FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
            AND d.deptype IN ('a', 'i')))
FROM rel r JOIN pg_sequence q ON q.seqrelid = r.oid
UNION ALL
SELECT t.kind || ' ' || t.named, 0, concat_ws(', ', 'index ' || pg_get_indexdef(i.indexrelid),
    CASE WHEN NOT i.indisvalid THEN 'INVALID' END, CASE WHEN i.indisclustered THEN 'clustered' END,
    CASE WHEN i.indisreplident THEN 'replica identity' END, 'tablespace ' || s.spcname,
    'of ' || (SELECT h.inhparent::regclass FROM pg_inherits h WHERE h.inhrelid = i.indexrelid),
    'statistics ' || (SELECT string_agg(a.attnum || ' ' || a.attstattarget, ', ' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = i.indexrelid AND a.attstattarget >= 0))
FROM pg_index i JOIN rel x ON x.oid = i.indexrelid JOIN rel t ON t.oid = i.indrelid
    LEFT JOIN pg_tablespace s ON s.oid = x.reltablespace
UNION ALL
-- a NOT NULL that the server has named goes by what table and column were called then
SELECT r.kind || ' ' || r.named, 0, concat_ws(' ', 'constraint',
    CASE WHEN c.contype <> 'n' OR c.conname !~ '_not_null[0-9]*$' THEN quote_ident(c.conname) END, pg_get_constraintdef(c.oid),
    CASE WHEN c.coninhcount > 0 AND NOT c.conislocal THEN 'inherited' END)
FROM pg_constraint c JOIN rel r ON r.oid = c.conrelid WHERE c.contype <> 't'
UNION ALL
SELECT r.kind || ' ' || r.named, 0, pg_get_triggerdef(g.oid)
    || CASE g.tgenabled WHEN 'O' THEN '' ELSE ', enabled ' || g.tgenabled::text END
FROM pg_trigger g JOIN rel r ON r.oid = g.tgrelid WHERE NOT g.tgisinternal
UNION ALL
SELECT r.kind || ' ' || r.named, 0, pg_get_ruledef(w.oid)
    || CASE w.ev_enabled WHEN 'O' THEN '' ELSE ', enabled ' || w.ev_enabled::text END
FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT r.kind || ' ' || r.named, 0, format('policy %I for %s %s to %s using (%s) with check (%s)', p.polname, p.polcmd,
    CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
    (SELECT string_agg(CASE x WHEN 0 THEN 'public' ELSE pg_get_userbyid(x) END, ', ' ORDER BY x)
        FROM unnest(p.polroles) x), pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
FROM pg_policy p JOIN rel r ON r.oid = p.polrelid
UNION ALL
SELECT 'statistics ' || format('%I.%I', n.nspname, s.stxname), 0, concat_ws(', ', pg_get_statisticsobjdef(s.oid),
    'owner ' || pg_get_userbyid(s.stxowner), 'statistics ' || nullif(to_jsonb(s) ->> 'stxstattarget', '-1'))
FROM pg_statistic_ext s JOIN ns n ON n.oid = s.stxnamespace
UNION ALL
SELECT 'foreign table ' || r.named, 0, format('server %I options %s', s.srvname, f.ftoptions)
FROM pg_foreign_table f JOIN rel r ON r.oid = f.ftrelid JOIN pg_foreign_server s ON s.oid = f.ftserver
-- types
UNION ALL
SELECT 'type ' || t.named, 0, concat_ws(', ', CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain'
    WHEN 'r' THEN 'range' ELSE 'base' END, 'owner ' || pg_get_userbyid(t.typowner),
    'as ' || format_type(nullif(t.typbasetype, 0), t.typtypmod), CASE WHEN t.typnotnull THEN 'not null' END,
    'default ' || t.typdefault, 'collate ' || nullif(t.typcollation, 0)::regcollation,
    CASE WHEN t.typtype = 'b' THEN (to_jsonb(t) - '{oid,typowner,typnamespace,typarray,typrelid,typelem,typbasetype,
        typcollation,typacl,named}'::text[])::text END)
FROM typ t
UNION ALL
SELECT 'type ' || t.named, 0, 'values ' || string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
FROM pg_enum e JOIN typ t ON t.oid = e.enumtypid GROUP BY t.named
UNION ALL
SELECT 'type ' || t.named, 0, concat_ws(' ', 'constraint', quote_ident(c.conname), pg_get_constraintdef(c.oid))
FROM pg_constraint c JOIN typ t ON t.oid = c.contypid
UNION ALL
SELECT 'type ' || t.named, 0, format('range of %s, collation %s, %s, canonical %s, subdiff %s, multirange %s',
    r.rngsubtype::regtype, nullif(r.rngcollation, 0)::regcollation, o.opcname, r.rngcanonical, r.rngsubdiff,
    (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype)
FROM pg_range r JOIN typ t ON t.oid = r.rngtypid JOIN pg_opclass o ON o.oid = r.rngsubopc
-- functions
UNION ALL
SELECT named, 0, 'owner ' || pg_get_userbyid(proowner)
    || CASE WHEN prokind <> 'a' THEN E'\n' || pg_get_functiondef(oid) ELSE '' END FROM fun
UNION ALL
SELECT f.named, 0, (SELECT string_agg(key || ' ' || CASE WHEN key IN ('aggtranstype', 'aggmtranstype')
        THEN format_type(value::oid, NULL) WHEN key IN ('aggsortop') THEN value::oid::regoperator::text
        ELSE value END, ', ' ORDER BY key COLLATE "C")
    FROM jsonb_each_text(to_jsonb(a) - 'aggfnoid'))
FROM pg_aggregate a JOIN fun f ON f.oid = a.aggfnoid
-- operators, casts, conversions, collations, text search
UNION ALL
SELECT format('operator %I.%s(%s, %s)', n.nspname, o.oprname, format_type(nullif(o.oprleft, 0), NULL),
    format_type(nullif(o.oprright, 0), NULL)), 0, format('owner %s, %s returns %s%s%s, %s, %s, %s, %s',
    pg_get_userbyid(o.oprowner), o.oprcode, format_type(o.oprresult, NULL), CASE WHEN o.oprcanhash THEN ' hashes' END,
    CASE WHEN o.oprcanmerge THEN ' merges' END, o.oprcom::regoperator, o.oprnegate::regoperator, o.oprrest, o.oprjoin)
FROM pg_operator o JOIN ns n ON n.oid = o.oprnamespace
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_operator'::regclass AND objid = o.oid)
UNION ALL
SELECT format('operator class %I.%I using %s', n.nspname, o.opcname, m.amname), 0,
    format('owner %s, for %s, family %s, default %s, storage %s', pg_get_userbyid(o.opcowner),
    format_type(o.opcintype, NULL), f.opfname, o.opcdefault, format_type(nullif(o.opckeytype, 0), NULL))
FROM pg_opclass o JOIN ns n ON n.oid = o.opcnamespace JOIN pg_am m ON m.oid = o.opcmethod
    JOIN pg_opfamily f ON f.oid = o.opcfamily
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_opclass'::regclass AND objid = o.oid)
UNION ALL
SELECT format('operator family %I.%I using %s', n.nspname, f.opfname, m.amname), 0,
    concat_ws(E'\n', 'owner ' || pg_get_userbyid(f.opfowner),
    (SELECT string_agg(pg_describe_object('pg_amop'::regclass, a.oid, 0), E'\n'
        ORDER BY pg_describe_object('pg_amop'::regclass, a.oid, 0) COLLATE "C")
        FROM pg_amop a WHERE a.amopfamily = f.oid),
    (SELECT string_agg(pg_describe_object('pg_amproc'::regclass, a.oid, 0), E'\n'
        ORDER BY pg_describe_object('pg_amproc'::regclass, a.oid, 0) COLLATE "C")
        FROM pg_amproc a WHERE a.amprocfamily = f.oid))
FROM pg_opfamily f JOIN ns n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_opfamily'::regclass AND objid = f.oid)
UNION ALL
SELECT format('cast %s as %s', format_type(c.castsource, NULL), format_type(c.casttarget, NULL)), 0,
    format('by %s, context %s, method %s', nullif(c.castfunc, 0)::regprocedure, c.castcontext, c.castmethod)
FROM pg_cast c WHERE c.oid >= 16384
    AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_cast'::regclass AND objid = c.oid)
UNION ALL
SELECT format('collation %I.%I', n.nspname, c.collname), 0, 'owner ' || pg_get_userbyid(c.collowner) || ', '
    || (to_jsonb(c) - '{oid,collname,collnamespace,collowner,collversion}'::text[])
FROM pg_collation c JOIN ns n ON n.oid = c.collnamespace
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_collation'::regclass AND objid = c.oid)
UNION ALL
SELECT format('conversion %I.%I', n.nspname, c.conname), 0, format('owner %s, %s to %s by %s, default %s',
    pg_get_userbyid(c.conowner), pg_encoding_to_char(c.conforencoding), pg_encoding_to_char(c.contoencoding),
    c.conproc, c.condefault)
FROM pg_conversion c JOIN ns n ON n.oid = c.connamespace
UNION ALL
SELECT format('text search configuration %I.%I', n.nspname, c.cfgname), 0,
    concat_ws(E'\n', format('owner %s, parser %s', pg_get_userbyid(c.cfgowner), p.prsname),
    (SELECT string_agg(format('%s %s %s', m.maptokentype, m.mapseqno, m.mapdict::regdictionary), E'\n'
        ORDER BY m.maptokentype, m.mapseqno) FROM pg_ts_config_map m WHERE m.mapcfg = c.oid))
FROM pg_ts_config c JOIN ns n ON n.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
UNION ALL
SELECT format('text search dictionary %I.%I', n.nspname, d.dictname), 0, format('owner %s, template %s, %s',
    pg_get_userbyid(d.dictowner), t.tmplname, d.dictinitoption)
FROM pg_ts_dict d JOIN ns n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_ts_dict'::regclass AND objid = d.oid)
UNION ALL
SELECT format('text search %s %I.%I', x.kind, n.nspname, x.name), 0, x.line
FROM (SELECT 'parser' AS kind, prsname AS name, prsnamespace AS namespace,
        (to_jsonb(p) - '{oid,prsname,prsnamespace}'::text[])::text AS line FROM pg_ts_parser p
    UNION ALL SELECT 'template', tmplname, tmplnamespace,
        (to_jsonb(t) - '{oid,tmplname,tmplnamespace}'::text[])::text FROM pg_ts_template t) x
    JOIN ns n ON n.oid = x.namespace
-- what belongs to no schema
UNION ALL
SELECT 'language ' || quote_ident(l.lanname), 0, format('owner %s, trusted %s, by %s, %s, %s',
    pg_get_userbyid(l.lanowner), l.lanpltrusted, l.lanplcallfoid::regproc, l.laninline::regproc,
    l.lanvalidator::regproc)
FROM pg_language l WHERE l.oid >= 16384
    AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_language'::regclass AND objid = l.oid)
UNION ALL
SELECT 'transform ' || pg_describe_object('pg_transform'::regclass, t.oid, 0), 0,
    format('%s, %s', t.trffromsql, t.trftosql)
FROM pg_transform t WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_transform'::regclass AND objid = t.oid)
UNION ALL
SELECT 'access method ' || quote_ident(m.amname), 0, format('%s by %s', m.amtype, m.amhandler)
FROM pg_am m WHERE m.oid >= 16384
    AND NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_am'::regclass AND objid = m.oid)
UNION ALL
SELECT 'foreign data wrapper ' || quote_ident(f.fdwname), 0, format('owner %s, handler %s, validator %s, options %s',
    pg_get_userbyid(f.fdwowner), f.fdwhandler::regproc, f.fdwvalidator::regproc, f.fdwoptions)
FROM pg_foreign_data_wrapper f
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_foreign_data_wrapper'::regclass AND objid = f.oid)
UNION ALL
SELECT 'server ' || quote_ident(s.srvname), 0, format('owner %s, wrapper %s, type %s, version %s, options %s',
    pg_get_userbyid(s.srvowner), f.fdwname, s.srvtype, s.srvversion, s.srvoptions)
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
UNION ALL
SELECT format('user mapping of %s on %I', u.usename, u.srvname), 0, 'options ' || md5(u.umoptions::text)
FROM pg_user_mappings u
UNION ALL
SELECT 'event trigger ' || quote_ident(e.evtname), 0, format('owner %s, on %s when %s by %s, enabled %s',
    pg_get_userbyid(e.evtowner), e.evtevent, e.evttags, e.evtfoid::regproc, e.evtenabled)
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM ext WHERE classid = 'pg_event_trigger'::regclass AND objid = e.oid)
UNION ALL
SELECT 'publication ' || quote_ident(p.pubname), 0, 'owner ' || pg_get_userbyid(p.pubowner) || ', '
    || (to_jsonb(p) - '{oid,pubname,pubowner}'::text[])
FROM pg_publication p
UNION ALL
SELECT 'publication ' || quote_ident(p.pubname), 0, concat_ws(' ', 'table', r.prrelid::regclass,
    to_jsonb(r) ->> 'prattrs', 'where ' || pg_get_expr((SELECT prqual FROM pg_publication_rel q WHERE q.oid = r.oid),
    r.prrelid))
-- before PostgreSQL 15 there is no column prqual: then it means the one here
FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid CROSS JOIN (SELECT NULL::pg_node_tree AS prqual) none
UNION ALL
SELECT 'publication ' || quote_ident(p.pubname), 0, 'tables in ' || e.refobjid::regnamespace
FROM pg_publication p JOIN pg_depend d ON d.refclassid = 'pg_publication'::regclass AND d.refobjid = p.oid
    AND d.classid = to_regclass('pg_catalog.pg_publication_namespace')
JOIN pg_depend e ON e.classid = d.classid AND e.objid = d.objid AND e.refclassid = 'pg_namespace'::regclass
UNION ALL
SELECT 'default privileges', 0, format('%s in %s on %s: %s', pg_get_userbyid(d.defaclrole),
    CASE WHEN d.defaclnamespace <> 0 THEN d.defaclnamespace::regnamespace::text ELSE 'every schema' END,
    d.defaclobjtype, (SELECT string_agg(x::text, ' ' ORDER BY x::text COLLATE "C") FROM unnest(d.defaclacl) x))
FROM pg_default_acl d
UNION ALL
SELECT 'comment on ' || pg_describe_object(d.classoid, d.objoid, d.objsubid), 0, d.description
FROM pg_description d
WHERE (d.objoid >= 16384 OR d.objoid = (SELECT oid FROM ns WHERE nspname = 'public'))
    AND NOT EXISTS (SELECT FROM ext WHERE classid = d.classoid AND objid = d.objoid)
    AND coalesce((pg_identify_object(d.classoid, d.objoid, d.objsubid)).schema, '') <> 'pgtide'
UNION ALL
SELECT 'security label on ' || pg_describe_object(s.classoid, s.objoid, s.objsubid), 0, s.provider || ': ' || s.label
FROM pg_seclabel s WHERE s.objoid >= 16384
UNION ALL
SELECT 'setting of the database', 0, 'for ' || CASE WHEN s.setrole = 0 THEN 'all' ELSE pg_get_userbyid(s.setrole) END
    || ': ' || x
FROM pg_db_role_setting s JOIN pg_database b ON b.oid = s.setdatabase, unnest(s.setconfig) x
WHERE b.datname = current_database() AND x NOT LIKE 'synchronous_commit=%'
