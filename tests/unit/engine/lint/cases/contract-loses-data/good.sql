-- revision: good
-- revises: expand
-- phase: contract

-- +upgrade
ALTER TABLE t ALTER COLUMN a SET DEFAULT 1;

-- +downgrade
SELECT 1;
