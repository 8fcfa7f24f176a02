-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ALTER COLUMN a TYPE bigint; -- expect rewrite

-- +downgrade
SELECT 1;
