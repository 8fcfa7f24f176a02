-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t
    ALTER COLUMN a SET NOT NULL; -- expect scan

-- +downgrade
SELECT 1;
