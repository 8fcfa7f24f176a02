-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t DROP COLUMN a; -- expect instant

-- +downgrade
SELECT 1;
