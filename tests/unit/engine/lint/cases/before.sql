-- revision: before
-- message: what the cases beside this file are about

-- +upgrade
CREATE TABLE t (id bigint PRIMARY KEY, a int, b int, c int, v varchar(20), ts timestamp, o_id bigint);
ALTER TABLE t ADD CONSTRAINT t_c CHECK (c IS NOT NULL);
CREATE INDEX t_a ON t (a);
CREATE INDEX t_o_id ON t (o_id);
CREATE TABLE o (id bigint PRIMARY KEY, name text NOT NULL, CONSTRAINT o_name CHECK (name <> ''));
CREATE TABLE r (id bigint PRIMARY KEY, t_id bigint REFERENCES t);
CREATE INDEX r_t_id ON r (t_id);
CREATE TABLE p (id bigint, day date) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000);
CREATE TABLE p2 (id bigint, day date);
CREATE TABLE p3 (id bigint NOT NULL CHECK (id >= 2000 AND id < 3000), day date);
CREATE TABLE u (id bigint, x bigint NOT NULL);
CREATE UNIQUE INDEX u_id ON u (id);
CREATE UNIQUE INDEX u_x ON u (x);
CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
CREATE UNIQUE INDEX m_id ON m (id);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TABLE d (id bigint PRIMARY KEY, n positive);
CREATE TYPE mood AS ENUM ('sad', 'glad');
CREATE SCHEMA s;
CREATE VIEW v AS SELECT 1 AS one;

-- +downgrade
SELECT 1;
