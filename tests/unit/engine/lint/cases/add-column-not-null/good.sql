-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int NOT NULL DEFAULT 0;

-- +downgrade
SELECT 1;
