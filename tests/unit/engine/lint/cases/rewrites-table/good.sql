-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int DEFAULT 1;

-- +downgrade
SELECT 1;
