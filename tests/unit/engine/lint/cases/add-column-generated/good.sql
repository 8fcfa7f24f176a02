-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int;

-- +downgrade
SELECT 1;
