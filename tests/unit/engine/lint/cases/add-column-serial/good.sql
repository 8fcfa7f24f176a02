-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x bigint;

-- +downgrade
SELECT 1;
