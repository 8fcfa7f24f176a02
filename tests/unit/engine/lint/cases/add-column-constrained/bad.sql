-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int DEFAULT 1 CHECK (x > 0); -- expect scan

-- +downgrade
SELECT 1;
