-- What there is beside relations, types and functions. The secrets of user mappings and subscriptions are not read;
-- what can't be made again without them has no definition.
, member AS (
    SELECT d.refclassid, d.refobjid, format('OPERATOR %s %s%s', o.amopstrategy, o.amopopr::regoperator,
        ' FOR ORDER BY ' || (SELECT format('%I.%I', s.nspname, f.opfname) FROM pg_opfamily f JOIN pg_namespace s
            ON s.oid = f.opfnamespace WHERE f.oid = o.amopsortfamily)) AS line
    FROM pg_amop o JOIN pg_depend d ON d.classid = 'pg_amop'::regclass AND d.objid = o.oid
        AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) WHERE o.oid >= 16384
    UNION ALL
    SELECT d.refclassid, d.refobjid, format('FUNCTION %s (%s, %s) %s', f.amprocnum, format_type(f.amproclefttype, NULL),
        format_type(f.amprocrighttype, NULL), f.amproc::regprocedure)
    FROM pg_amproc f JOIN pg_depend d ON d.classid = 'pg_amproc'::regclass AND d.objid = f.oid
        AND d.refclassid IN ('pg_opclass'::regclass, 'pg_opfamily'::regclass) WHERE f.oid >= 16384
), members AS (
    SELECT refclassid, refobjid, string_agg(line, ', ' ORDER BY line COLLATE "C") AS lines FROM member GROUP BY 1, 2
)
SELECT 'pg_collation'::regclass::oid AS class, c.oid, 0 AS sub, 'collation' AS kind,
    n.q || quote_ident(c.collname) AS name, NULL AS parent, 0 AS position, pg_get_userbyid(c.collowner) AS owner,
    format('CREATE COLLATION %s%I (%s)', n.q, c.collname, concat_ws(', ', 'PROVIDER = ' || CASE c.collprovider
        WHEN 'i' THEN 'icu' WHEN 'c' THEN 'libc' WHEN 'b' THEN 'builtin' END, x.place,
        CASE WHEN NOT c.collisdeterministic THEN 'DETERMINISTIC = false' END,
        'RULES = ' || quote_literal(to_jsonb(c) ->> 'collicurules'))) AS definition, NULL AS after
FROM pg_collation c JOIN ns n ON n.oid = c.collnamespace CROSS JOIN LATERAL (SELECT CASE
    WHEN c.collprovider IN ('i', 'b') THEN 'LOCALE = ' || quote_literal(coalesce(to_jsonb(c) ->> 'colllocale',
        to_jsonb(c) ->> 'colliculocale', c.collcollate))
    WHEN c.collcollate = c.collctype THEN 'LOCALE = ' || quote_literal(c.collcollate)
    ELSE format('LC_COLLATE = %L, LC_CTYPE = %L', c.collcollate, c.collctype) END AS place) x
UNION ALL
SELECT 'pg_operator'::regclass, o.oid, 0, 'operator', format('%s%s (%s, %s)', n.q, o.oprname,
    coalesce(format_type(nullif(o.oprleft, 0), NULL), 'NONE'), coalesce(format_type(nullif(o.oprright, 0), NULL), 'NONE')),
    NULL, 0, pg_get_userbyid(o.oprowner),
    format('CREATE OPERATOR %s%s (%s)', n.q, o.oprname, concat_ws(', ', 'FUNCTION = ' || o.oprcode,
        'LEFTARG = ' || format_type(nullif(o.oprleft, 0), NULL), 'RIGHTARG = ' || format_type(nullif(o.oprright, 0), NULL),
        'COMMUTATOR = ' || (SELECT format('OPERATOR(%I.%s)', cn.nspname, c.oprname) FROM pg_operator c
            JOIN pg_namespace cn ON cn.oid = c.oprnamespace WHERE c.oid = o.oprcom),
        'NEGATOR = ' || (SELECT format('OPERATOR(%I.%s)', cn.nspname, c.oprname) FROM pg_operator c
            JOIN pg_namespace cn ON cn.oid = c.oprnamespace WHERE c.oid = o.oprnegate),
        'RESTRICT = ' || nullif(o.oprrest::oid, 0)::regproc, 'JOIN = ' || nullif(o.oprjoin::oid, 0)::regproc,
        CASE WHEN o.oprcanhash THEN 'HASHES' END, CASE WHEN o.oprcanmerge THEN 'MERGES' END)), NULL
FROM pg_operator o JOIN ns n ON n.oid = o.oprnamespace WHERE o.oprcode <> 0
UNION ALL
SELECT 'pg_opfamily'::regclass, f.oid, 0, 'operator family', format('%s%I USING %I', n.q, f.opfname, m.amname), NULL, 0,
    pg_get_userbyid(f.opfowner), format('CREATE OPERATOR FAMILY %s%I USING %I', n.q, f.opfname, m.amname),
    format('ALTER OPERATOR FAMILY %s%I USING %I ADD ', n.q, f.opfname, m.amname) || e.lines
FROM pg_opfamily f JOIN ns n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
    LEFT JOIN members e ON e.refclassid = 'pg_opfamily'::regclass AND e.refobjid = f.oid
UNION ALL
SELECT 'pg_opclass'::regclass, c.oid, 0, 'operator class', format('%s%I USING %I', n.q, c.opcname, m.amname), NULL, 0,
    pg_get_userbyid(c.opcowner), format('CREATE OPERATOR CLASS %s%I %sFOR TYPE %s USING %I FAMILY %s%I AS %s', n.q,
        c.opcname, CASE WHEN c.opcdefault THEN 'DEFAULT ' END, format_type(c.opcintype, NULL), m.amname,
        CASE WHEN fn.nspname = n.nspname THEN n.q ELSE quote_ident(fn.nspname) || '.' END, f.opfname,
        concat_ws(', ', e.lines, 'STORAGE ' || format_type(CASE WHEN e.lines IS NULL AND c.opckeytype = 0 THEN c.opcintype
            ELSE nullif(c.opckeytype, 0) END, NULL))), NULL
FROM pg_opclass c JOIN ns n ON n.oid = c.opcnamespace JOIN pg_am m ON m.oid = c.opcmethod
    JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace
    LEFT JOIN members e ON e.refclassid = 'pg_opclass'::regclass AND e.refobjid = c.oid
UNION ALL
SELECT 'pg_conversion'::regclass, c.oid, 0, 'conversion', n.q || quote_ident(c.conname), NULL, 0,
    pg_get_userbyid(c.conowner), format('CREATE %sCONVERSION %s%I FOR %L TO %L FROM %s',
        CASE WHEN c.condefault THEN 'DEFAULT ' END, n.q, c.conname, pg_encoding_to_char(c.conforencoding),
        pg_encoding_to_char(c.contoencoding), c.conproc), NULL
FROM pg_conversion c JOIN ns n ON n.oid = c.connamespace
UNION ALL
SELECT 'pg_ts_dict'::regclass, d.oid, 0, 'text search dictionary', n.q || quote_ident(d.dictname), NULL, 0,
    pg_get_userbyid(d.dictowner), format('CREATE TEXT SEARCH DICTIONARY %s%I (%s)', n.q, d.dictname, concat_ws(', ',
        format('TEMPLATE = %I.%I', tn.nspname, t.tmplname), d.dictinitoption)), NULL
FROM pg_ts_dict d JOIN ns n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
    JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
UNION ALL
SELECT 'pg_ts_config'::regclass, c.oid, 0, 'text search configuration', n.q || quote_ident(c.cfgname), NULL, 0,
    pg_get_userbyid(c.cfgowner), format('CREATE TEXT SEARCH CONFIGURATION %s%I (PARSER = %I.%I)', n.q, c.cfgname,
        pn.nspname, p.prsname), (SELECT string_agg(format('ALTER TEXT SEARCH CONFIGURATION %s%I ADD MAPPING FOR %I WITH %s',
        n.q, c.cfgname, x.alias, x.dicts), E'\n' ORDER BY x.alias COLLATE "C") FROM (SELECT t.alias,
        string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno) AS dicts FROM pg_ts_config_map m
        JOIN ts_token_type(c.cfgparser) t ON t.tokid = m.maptokentype WHERE m.mapcfg = c.oid GROUP BY t.alias) x)
FROM pg_ts_config c JOIN ns n ON n.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
    JOIN pg_namespace pn ON pn.oid = p.prsnamespace
UNION ALL
SELECT 'pg_ts_parser'::regclass, p.oid, 0, 'text search parser', n.q || quote_ident(p.prsname), NULL, 0, NULL,
    format('CREATE TEXT SEARCH PARSER %s%I (%s)', n.q, p.prsname, concat_ws(', ', 'START = ' || p.prsstart,
        'GETTOKEN = ' || p.prstoken, 'END = ' || p.prsend, 'LEXTYPES = ' || p.prslextype,
        'HEADLINE = ' || nullif(p.prsheadline::oid, 0)::regproc)), NULL
FROM pg_ts_parser p JOIN ns n ON n.oid = p.prsnamespace
UNION ALL
SELECT 'pg_ts_template'::regclass, t.oid, 0, 'text search template', n.q || quote_ident(t.tmplname), NULL, 0, NULL,
    format('CREATE TEXT SEARCH TEMPLATE %s%I (%s)', n.q, t.tmplname, concat_ws(', ', 'INIT = ' || nullif(t.tmplinit::oid, 0)::regproc,
        'LEXIZE = ' || t.tmpllexize)), NULL
FROM pg_ts_template t JOIN ns n ON n.oid = t.tmplnamespace
UNION ALL
SELECT 'pg_cast'::regclass, c.oid, 0, 'cast', format('(%s AS %s)', format_type(c.castsource, NULL),
    format_type(c.casttarget, NULL)), NULL, 0, NULL, concat_ws(' ', format('CREATE CAST (%s AS %s)',
        format_type(c.castsource, NULL), format_type(c.casttarget, NULL)),
        CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure WHEN 'i' THEN 'WITH INOUT'
            ELSE 'WITHOUT FUNCTION' END,
        CASE c.castcontext WHEN 'a' THEN 'AS ASSIGNMENT' WHEN 'i' THEN 'AS IMPLICIT' END), NULL
FROM pg_cast c WHERE c.oid >= 16384 AND $1::text = '' AND NOT EXISTS (SELECT FROM pg_depend d
    WHERE d.classid = 'pg_cast'::regclass AND d.objid = c.oid AND d.deptype = 'i')
UNION ALL
SELECT 'pg_language'::regclass, l.oid, 0, 'language', quote_ident(l.lanname), NULL, 0, pg_get_userbyid(l.lanowner),
    concat_ws(' ', 'CREATE', CASE WHEN l.lanpltrusted THEN 'TRUSTED' END, format('LANGUAGE %I', l.lanname),
        'HANDLER ' || nullif(l.lanplcallfoid, 0)::regproc, 'INLINE ' || nullif(l.laninline, 0)::regproc,
        'VALIDATOR ' || nullif(l.lanvalidator, 0)::regproc), NULL
FROM pg_language l WHERE l.oid >= 16384 AND $1::text = ''
UNION ALL
SELECT 'pg_transform'::regclass, t.oid, 0, 'transform', format('FOR %s LANGUAGE %I', format_type(t.trftype, NULL),
    l.lanname), NULL, 0, NULL, format('CREATE TRANSFORM FOR %s LANGUAGE %I (%s)', format_type(t.trftype, NULL), l.lanname,
    concat_ws(', ', 'FROM SQL WITH FUNCTION ' || nullif(t.trffromsql, 0)::regprocedure,
        'TO SQL WITH FUNCTION ' || nullif(t.trftosql, 0)::regprocedure)), NULL
FROM pg_transform t JOIN pg_language l ON l.oid = t.trflang WHERE $1::text = ''
UNION ALL
SELECT 'pg_am'::regclass, m.oid, 0, 'access method', quote_ident(m.amname), NULL, 0, NULL,
    format('CREATE ACCESS METHOD %I TYPE %s HANDLER %s', m.amname, CASE m.amtype WHEN 'i' THEN 'INDEX' ELSE 'TABLE' END,
        m.amhandler), NULL
FROM pg_am m WHERE m.oid >= 16384 AND $1::text = ''
UNION ALL
SELECT 'pg_foreign_data_wrapper'::regclass, f.oid, 0, 'foreign data wrapper', quote_ident(f.fdwname), NULL, 0,
    pg_get_userbyid(f.fdwowner), concat_ws(' ', format('CREATE FOREIGN DATA WRAPPER %I', f.fdwname),
        'HANDLER ' || nullif(f.fdwhandler, 0)::regproc, 'VALIDATOR ' || nullif(f.fdwvalidator, 0)::regproc,
        'OPTIONS (' || (SELECT string_agg(format('%I %L', o.option_name, o.option_value), ', '
            ORDER BY o.option_name COLLATE "C") FROM pg_options_to_table(f.fdwoptions) o) || ')'), NULL
FROM pg_foreign_data_wrapper f WHERE $1::text = ''
UNION ALL
SELECT 'pg_foreign_server'::regclass, s.oid, 0, 'server', quote_ident(s.srvname), NULL, 0,
    pg_get_userbyid(s.srvowner), concat_ws(' ', format('CREATE SERVER %I', s.srvname), 'TYPE ' || quote_literal(s.srvtype),
        'VERSION ' || quote_literal(s.srvversion), format('FOREIGN DATA WRAPPER %I', f.fdwname),
        'OPTIONS (' || (SELECT string_agg(format('%I %L', o.option_name, o.option_value), ', '
            ORDER BY o.option_name COLLATE "C") FROM pg_options_to_table(s.srvoptions) o) || ')'), NULL
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw WHERE $1::text = ''
UNION ALL
SELECT 'pg_user_mapping'::regclass, u.umid, 0, 'user mapping', format('FOR %s SERVER %I', CASE WHEN u.umuser = 0
    THEN 'PUBLIC' ELSE quote_ident(u.usename) END, u.srvname), NULL, 0, NULL, CASE WHEN u.umoptions IS NULL THEN
    format('CREATE USER MAPPING FOR %s SERVER %I', CASE WHEN u.umuser = 0 THEN 'PUBLIC' ELSE quote_ident(u.usename) END,
    u.srvname) END, NULL
FROM pg_user_mappings u WHERE $1::text = ''
UNION ALL
SELECT 'pg_event_trigger'::regclass, e.oid, 0, 'event trigger', quote_ident(e.evtname), NULL, 0,
    pg_get_userbyid(e.evtowner), concat_ws(' ', format('CREATE EVENT TRIGGER %I ON %s', e.evtname, e.evtevent),
        'WHEN TAG IN (' || (SELECT string_agg(quote_literal(t), ', ' ORDER BY t COLLATE "C") FROM unnest(e.evttags) t) || ')',
        format('EXECUTE FUNCTION %s()', e.evtfoid::regproc)),
    CASE WHEN e.evtenabled <> 'O' THEN format('ALTER EVENT TRIGGER %I %s', e.evtname, CASE e.evtenabled
        WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END) END
FROM pg_event_trigger e WHERE $1::text = ''
UNION ALL
SELECT 'pg_publication'::regclass, p.oid, 0, 'publication', quote_ident(p.pubname), NULL, 0,
    pg_get_userbyid(p.pubowner), concat_ws(' ', format('CREATE PUBLICATION %I', p.pubname),
        CASE WHEN p.puballtables THEN 'FOR ALL TABLES' END,
        format('WITH (publish = %L, publish_via_partition_root = %s%s)', concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
            CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
            CASE WHEN p.pubtruncate THEN 'truncate' END), CASE WHEN p.pubviaroot THEN 'true' ELSE 'false' END,
            CASE WHEN to_jsonb(p) ->> 'pubgencols' = 's' THEN ', publish_generated_columns = stored' END)),
    nullif(concat_ws(E'\n', (SELECT string_agg(format('ALTER PUBLICATION %I ADD TABLE ONLY %s%s%s', p.pubname, r.prrelid::regclass,
        ' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C") FROM pg_attribute a
            WHERE a.attrelid = r.prrelid AND to_jsonb(r) -> 'prattrs' @> to_jsonb(a.attnum)) || ')',
        ' WHERE (' || pg_get_expr((SELECT prqual FROM pg_publication_rel q WHERE q.oid = r.oid), r.prrelid) || ')'), E'\n'
        ORDER BY r.prrelid::regclass::text COLLATE "C") FROM pg_publication_rel r WHERE r.prpubid = p.oid),
        (SELECT string_agg(format('ALTER PUBLICATION %I ADD TABLES IN SCHEMA %I', p.pubname, s.nspname), E'\n'
        ORDER BY s.nspname COLLATE "C") FROM pg_depend d JOIN pg_depend e ON e.classid = d.classid AND e.objid = d.objid
            AND e.refclassid = 'pg_namespace'::regclass JOIN pg_namespace s ON s.oid = e.refobjid
        WHERE d.classid = to_regclass('pg_catalog.pg_publication_namespace') AND d.refclassid = 'pg_publication'::regclass
            AND d.refobjid = p.oid)), '')
-- before PostgreSQL 15 there is no column prqual: then it means the one here
FROM pg_publication p CROSS JOIN (SELECT NULL::pg_node_tree AS prqual) none WHERE $1::text = ''
UNION ALL
SELECT 'pg_subscription'::regclass, s.oid, 0, 'subscription', quote_ident(s.subname), NULL, 0,
    pg_get_userbyid(s.subowner), NULL, NULL
FROM pg_subscription s JOIN pg_database b ON b.oid = s.subdbid AND b.datname = current_database() WHERE $1::text = ''
UNION ALL
SELECT 'pg_default_acl'::regclass, d.oid, 0, 'default privileges', concat_ws(' ', format('FOR ROLE %I',
    pg_get_userbyid(d.defaclrole)), 'IN SCHEMA ' || quote_ident(s.nspname), 'ON ' || CASE d.defaclobjtype WHEN 'r' THEN 'TABLES'
    WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES' WHEN 'L' THEN 'LARGE OBJECTS'
    ELSE 'SCHEMAS' END), NULL, 0, NULL, NULL, NULL
FROM pg_default_acl d LEFT JOIN pg_namespace s ON s.oid = d.defaclnamespace WHERE $1::text = ''
