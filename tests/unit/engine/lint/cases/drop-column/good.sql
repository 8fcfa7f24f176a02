-- revision: good
-- revises: before
-- phase: contract

-- +upgrade
ALTER TABLE t DROP COLUMN a;

-- +downgrade
SELECT 1;
