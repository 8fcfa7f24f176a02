-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t RENAME COLUMN a TO z; -- expect instant

-- +downgrade
SELECT 1;
