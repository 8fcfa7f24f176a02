-- revision: proven
-- revises: before

-- +upgrade
ALTER TABLE t ALTER COLUMN c SET NOT NULL;

-- +downgrade
SELECT 1;
