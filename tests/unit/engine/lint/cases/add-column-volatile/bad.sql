-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x float8 DEFAULT random(); -- expect rewrite

-- +downgrade
SELECT 1;
