-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int NOT NULL; -- expect scan

-- +downgrade
SELECT 1;
