-- revision: good
-- revises: before

-- +upgrade
DROP VIEW v;
CREATE MATERIALIZED VIEW v AS SELECT 1 AS one;

-- +downgrade
SELECT 1;
