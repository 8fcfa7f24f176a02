-- One text that changes with every change of a schema in this database, and neither with rows nor with VACUUM or
-- ANALYZE: of each catalog that a schema is read from, how many rows it has and which transactions wrote them. A
-- row of pg_class is written by TRUNCATE, REFRESH and VACUUM FULL too: what it says counts. What is the server's own is
-- left out where it is much, and temporary tables are no schema.
WITH temp AS MATERIALIZED (
    SELECT oid, reltype FROM pg_class WHERE relpersistence = 't'
), away AS MATERIALIZED (
    SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_(toast_)?temp_'
), seen (class, id, sub, version) AS (
    SELECT 'pg_class'::regclass::oid, c.oid, 0, hashtextextended(concat_ws(' ', c.relname, c.relnamespace, c.reloftype,
        c.relowner, c.relam, c.reltablespace, c.reltoastrelid, c.relpersistence, c.relkind, c.relnatts, c.relrowsecurity,
        c.relforcerowsecurity, c.relispopulated, c.relreplident, c.relacl, c.reloptions, c.relpartbound), 0)
    FROM pg_class c WHERE c.relpersistence <> 't' AND c.oid >= 16384
    UNION ALL SELECT 'pg_attribute'::regclass, a.attrelid, a.attnum::int, a.xmin::text::int8 FROM pg_attribute a
    WHERE a.attrelid >= 16384 AND a.attrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_attrdef'::regclass, d.oid, 0, d.xmin::text::int8 FROM pg_attrdef d
    WHERE d.adrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_constraint'::regclass, k.oid, 0, k.xmin::text::int8 FROM pg_constraint k
    WHERE k.oid >= 16384 AND k.conrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_index'::regclass, i.indexrelid, 0, i.xmin::text::int8 FROM pg_index i
    WHERE i.indexrelid >= 16384 AND i.indrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_inherits'::regclass, i.inhrelid, i.inhseqno, i.inhparent::int8 FROM pg_inherits i
    WHERE i.inhrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_type'::regclass, t.oid, 0, t.xmin::text::int8 FROM pg_type t
    WHERE t.oid >= 16384 AND t.typnamespace NOT IN (SELECT oid FROM away)
    UNION ALL SELECT 'pg_trigger'::regclass, t.oid, 0, t.xmin::text::int8 FROM pg_trigger t
    WHERE t.tgrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_rewrite'::regclass, r.oid, 0, r.xmin::text::int8 FROM pg_rewrite r
    WHERE r.oid >= 16384 AND r.ev_class NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_sequence'::regclass, s.seqrelid, 0, s.xmin::text::int8 FROM pg_sequence s
    WHERE s.seqrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_statistic_ext'::regclass, s.oid, 0, s.xmin::text::int8 FROM pg_statistic_ext s
    WHERE s.stxrelid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_policy'::regclass, p.oid, 0, p.xmin::text::int8 FROM pg_policy p
    UNION ALL SELECT 'pg_namespace'::regclass, n.oid, 0, n.xmin::text::int8 FROM pg_namespace n
    WHERE n.oid NOT IN (SELECT oid FROM away)
    UNION ALL SELECT 'pg_proc'::regclass, p.oid, 0, p.xmin::text::int8 FROM pg_proc p
    WHERE p.oid >= 16384 AND p.pronamespace NOT IN (SELECT oid FROM away)
    UNION ALL SELECT 'pg_description'::regclass, d.objoid, d.objsubid, hashtextextended(d.description, d.classoid::int8)
    FROM pg_description d WHERE (d.objoid >= 16384 OR d.classoid = 'pg_namespace'::regclass)
        AND d.objoid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_seclabel'::regclass, l.objoid, l.objsubid, hashtextextended(l.provider || ' ' || l.label,
        l.classoid::int8) FROM pg_seclabel l
    UNION ALL SELECT 'pg_depend'::regclass, d.objid, d.objsubid, hashtextextended(concat_ws(' ', d.classid, d.refclassid,
        d.refobjid, d.refobjsubid, d.deptype), 0) FROM pg_depend d WHERE d.objid >= 16384 AND (d.deptype IN ('e', 'x')
        OR d.deptype = 'a' AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
        OR d.classid = to_regclass('pg_catalog.pg_publication_namespace')) -- PostgreSQL 15 has it
        AND d.objid NOT IN (SELECT oid FROM temp)
    UNION ALL SELECT 'pg_enum'::regclass, oid, 0, xmin::text::int8 FROM pg_enum
    UNION ALL SELECT 'pg_range'::regclass, rngtypid, 0, xmin::text::int8 FROM pg_range WHERE rngtypid >= 16384
    UNION ALL SELECT 'pg_aggregate'::regclass, aggfnoid, 0, xmin::text::int8 FROM pg_aggregate WHERE aggfnoid >= 16384
    UNION ALL SELECT 'pg_operator'::regclass, oid, 0, xmin::text::int8 FROM pg_operator WHERE oid >= 16384
    UNION ALL SELECT 'pg_opclass'::regclass, oid, 0, xmin::text::int8 FROM pg_opclass WHERE oid >= 16384
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, 0, xmin::text::int8 FROM pg_opfamily WHERE oid >= 16384
    UNION ALL SELECT 'pg_amop'::regclass, oid, 0, xmin::text::int8 FROM pg_amop WHERE oid >= 16384
    UNION ALL SELECT 'pg_amproc'::regclass, oid, 0, xmin::text::int8 FROM pg_amproc WHERE oid >= 16384
    UNION ALL SELECT 'pg_collation'::regclass, oid, 0, xmin::text::int8 FROM pg_collation WHERE oid >= 16384
    UNION ALL SELECT 'pg_conversion'::regclass, oid, 0, xmin::text::int8 FROM pg_conversion WHERE oid >= 16384
    UNION ALL SELECT 'pg_cast'::regclass, oid, 0, xmin::text::int8 FROM pg_cast WHERE oid >= 16384
    UNION ALL SELECT 'pg_am'::regclass, oid, 0, xmin::text::int8 FROM pg_am
    UNION ALL SELECT 'pg_language'::regclass, oid, 0, xmin::text::int8 FROM pg_language
    UNION ALL SELECT 'pg_transform'::regclass, oid, 0, xmin::text::int8 FROM pg_transform
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, 0, xmin::text::int8 FROM pg_ts_dict WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, 0, xmin::text::int8 FROM pg_ts_config WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_config_map'::regclass, mapcfg, maptokentype * 64 + mapseqno, xmin::text::int8
    FROM pg_ts_config_map WHERE mapcfg >= 16384
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, 0, xmin::text::int8 FROM pg_ts_parser WHERE oid >= 16384
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, 0, xmin::text::int8 FROM pg_ts_template WHERE oid >= 16384
    UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, xmin::text::int8 FROM pg_foreign_data_wrapper
    UNION ALL SELECT 'pg_foreign_server'::regclass, oid, 0, xmin::text::int8 FROM pg_foreign_server
    UNION ALL SELECT 'pg_foreign_table'::regclass, ftrelid, 0, xmin::text::int8 FROM pg_foreign_table
    UNION ALL SELECT 'pg_user_mapping'::regclass, umid, 0, hashtextextended(concat_ws(' ', srvid, umuser,
        umoptions IS NULL), 0) FROM pg_user_mappings
    UNION ALL SELECT 'pg_extension'::regclass, oid, 0, xmin::text::int8 FROM pg_extension
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 0, xmin::text::int8 FROM pg_event_trigger
    UNION ALL SELECT 'pg_publication'::regclass, oid, 0, xmin::text::int8 FROM pg_publication
    UNION ALL SELECT 'pg_publication_rel'::regclass, oid, 0, xmin::text::int8 FROM pg_publication_rel
    UNION ALL SELECT 'pg_subscription'::regclass, s.oid, 0, hashtextextended(s.subname, s.subowner::int8)
    FROM pg_subscription s JOIN pg_database b ON b.oid = s.subdbid AND b.datname = current_database()
    UNION ALL SELECT 'pg_default_acl'::regclass, oid, 0, xmin::text::int8 FROM pg_default_acl
)
SELECT concat_ws(' ', count(*), sum(hashint8extended(class::int8 << 32 | id::int8, version # sub::int8)),
    current_setting('server_version_num'))
FROM seen
