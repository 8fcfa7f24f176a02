-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int, ADD COLUMN y int;

-- +downgrade
SELECT 1;
