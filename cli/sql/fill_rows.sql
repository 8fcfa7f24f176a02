-- Puts up to two rows of generated values into every empty table, so that a revision meets rows. Values are made by
-- type; enums, domains, lengths, foreign keys and the literals of CHECK constraints are honoured. Each row is tried in
-- a subtransaction, in several variants:
--   1 every column     2, 3 with values out of the CHECK constraints     4 to 6 the same with required columns only
-- Tables are filled after those they refer to. Returns a line "table: reason" for each that stayed empty. A function,
-- so that its plans are made once for a session.
CREATE FUNCTION pg_temp.pgtide_fill_rows() RETURNS text LANGUAGE plpgsql AS $pgtide$
DECLARE
    pending oid[] := '{}';
    left_over oid[];
    unfilled text := '';
    relation oid;
    statement text;
    has_rows bool;
    done bool;
    progress bool := true;
    cyclic bool := false; -- what waits for each other only: tried without waiting
    reason text;
BEGIN
    FOR relation IN
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT LIKE 'pg\_%'
            AND n.nspname NOT IN ('information_schema', 'pgtide') AND c.relname <> 'alembic_version'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', relation::regclass) INTO has_rows;
        IF NOT has_rows THEN
            pending := pending || relation;
        END IF;
    END LOOP;
    WHILE cardinality(pending) > 0 AND (progress OR NOT cyclic) LOOP
        cyclic := NOT progress;
        progress := false;
        left_over := '{}';
        unfilled := '';
        FOREACH relation IN ARRAY pending LOOP
            done := false;
            reason := 'it refers to a table without rows';
            IF cyclic OR NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = relation
                AND k.contype = 'f' AND k.confrelid <> relation AND k.confrelid = ANY (pending)
                AND (k.confrelid = ANY (left_over) OR array_position(pending, k.confrelid) >
                    array_position(pending, relation))) THEN
                FOR variant IN 1..6 LOOP
                    FOR row_number IN 1..2 LOOP
                        SELECT format('INSERT INTO %s %s', relation::regclass,
                            CASE count(*) WHEN 0 THEN 'DEFAULT VALUES' ELSE format('(%s) VALUES (%s)',
                            string_agg(quote_ident(a.attname), ', '), string_agg(v.value, ', ')) END)
                        INTO statement
                        FROM pg_catalog.pg_attribute a
                        JOIN LATERAL ( -- what a domain is made of
                            WITH RECURSIVE base AS (
                                SELECT t.*, a.atttypmod AS modifier FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
                                UNION ALL
                                SELECT t.*, b.typtypmod FROM pg_catalog.pg_type t JOIN base b ON t.oid = b.typbasetype)
                            SELECT b.*, format_type(b.oid, NULL) AS named FROM base b WHERE b.typtype <> 'd') t ON true
                        LEFT JOIN LATERAL (
                            SELECT k.confrelid, f.attname
                            FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_attribute f ON f.attrelid = k.confrelid
                                AND f.attnum = k.confkey[array_position(k.conkey, a.attnum)]
                            WHERE k.conrelid = relation AND k.contype = 'f' AND a.attnum = ANY (k.conkey)
                            ORDER BY cardinality(k.conkey) DESC, k.oid LIMIT 1) fk ON true
                        LEFT JOIN LATERAL ( -- literals of the column's or domain's CHECK constraints
                            SELECT array_agg(m[1] ORDER BY k.oid, at) AS texts, array_agg(m[2] ORDER BY k.oid, at)
                                FILTER (WHERE m[2] IS NOT NULL) AS numbers
                            FROM pg_catalog.pg_constraint k, LATERAL regexp_matches(pg_get_constraintdef(k.oid),
                                $re$'((?:[^']|'')*)'|(?<![\w.])(\d+(?:\.\d+)?)$re$, 'g') WITH ORDINALITY AS r(m, at)
                            WHERE k.contype = 'c' AND (k.conrelid = relation AND a.attnum = ANY (k.conkey)
                                OR k.contypid = a.atttypid AND k.contypid <> 0)) c ON variant % 3 <> 1
                        CROSS JOIN LATERAL (SELECT CASE
                            WHEN t.typtype = 'e' THEN (SELECT quote_literal(e.enumlabel) FROM pg_catalog.pg_enum e
                                WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder LIMIT 1)
                            WHEN t.typcategory = 'N' AND cardinality(c.numbers) > 0
                                THEN (c.numbers[1]::numeric + row_number - CASE variant % 3 WHEN 2 THEN 1 ELSE 0 END)::text
                            WHEN t.typcategory <> 'N' AND cardinality(array_remove(c.texts, NULL)) > 0
                                THEN quote_literal(replace((array_remove(c.texts, NULL))[1 + (row_number - 1)
                                    % cardinality(array_remove(c.texts, NULL))], '''''', ''''))
                            WHEN t.typcategory = 'A' THEN quote_literal('{}')
                            WHEN t.typtype IN ('r', 'm') THEN quote_literal(CASE t.typtype WHEN 'r' THEN 'empty' ELSE '{}'
                                END)
                            WHEN t.typtype = 'c' THEN format('(SELECT jsonb_populate_record(NULL::%s, ''{}''))', t.named)
                            WHEN t.named = 'numeric' AND t.modifier >= 4
                                AND ((t.modifier - 4) >> 16) <= ((t.modifier - 4) & 1023) THEN '0'
                            WHEN t.named = 'money' OR t.typcategory = 'N' THEN row_number::text
                            WHEN t.named IN ('json', 'jsonb') THEN quote_literal('{}')
                            WHEN t.named = 'uuid' THEN
                                quote_literal('00000000-0000-4000-8000-00000000000' || row_number)
                            WHEN t.named = 'boolean' THEN 'true'
                            WHEN t.named = 'interval' THEN quote_literal(row_number || ' days')
                            WHEN t.named LIKE 'time %' THEN quote_literal('12:00:0' || row_number)
                            WHEN t.typcategory = 'D' THEN quote_literal('2020-01-0' || row_number)
                            WHEN t.named = 'bytea' THEN quote_literal('\x0' || row_number)
                            WHEN t.named IN ('inet', 'cidr') THEN quote_literal('10.0.0.' || row_number)
                            WHEN t.named = 'macaddr' THEN quote_literal('00:00:00:00:00:0' || row_number)
                            WHEN t.named = 'macaddr8' THEN quote_literal('00:00:00:00:00:00:00:0' || row_number)
                            WHEN t.named = 'point' THEN quote_literal('(0,0)')
                            WHEN t.named = 'line' THEN quote_literal('{1,1,1}')
                            WHEN t.named IN ('lseg', 'box', 'path', 'polygon') THEN quote_literal('((0,0),(1,1))')
                            WHEN t.named = 'circle' THEN quote_literal('<(0,0),1>')
                            WHEN t.named = 'pg_lsn' THEN quote_literal('0/' || row_number)
                            WHEN t.named = 'xml' THEN quote_literal('<a/>')
                            WHEN t.typcategory = 'V' THEN quote_literal(row_number::bit(4))
                            WHEN t.named = '"char"' OR t.modifier BETWEEN 5 AND 11 THEN quote_literal(row_number)
                            WHEN t.typcategory = 'S' THEN quote_literal('value ' || row_number)
                            WHEN NOT a.attnotnull THEN 'NULL'
                            ELSE quote_literal(row_number) END AS literal) l
                        CROSS JOIN LATERAL (SELECT CASE WHEN fk.attname IS NOT NULL
                            THEN format('coalesce((SELECT %I FROM %s OFFSET %s LIMIT 1), %s)', fk.attname,
                                fk.confrelid::regclass, row_number - 1, CASE WHEN fk.confrelid = relation
                                THEN format('(%s)::%s', l.literal, format_type(a.atttypid, a.atttypmod))
                                ELSE 'NULL' END)
                            ELSE format('(%s)::%s', l.literal, format_type(a.atttypid, a.atttypmod)) END AS value) v
                        WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                            AND a.attidentity = '' AND (fk.attname IS NOT NULL OR NOT a.atthasdef)
                            AND (variant <= 3 OR a.attnotnull);
                        BEGIN
                            EXECUTE statement;
                            done := true;
                        EXCEPTION WHEN OTHERS THEN
                            reason := SQLERRM;
                            EXIT;
                        END;
                    END LOOP;
                    EXIT WHEN done;
                END LOOP;
            END IF;
            IF done THEN
                progress := true;
            ELSE
                left_over := left_over || relation;
                unfilled := unfilled || format(E'%s: %s\n', relation::regclass, reason);
            END IF;
        END LOOP;
        pending := left_over;
    END LOOP;
    RETURN unfilled;
END
$pgtide$
