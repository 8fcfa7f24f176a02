-- revision: bad
-- revises: expand
-- phase: contract

-- +upgrade
ALTER TABLE t DROP COLUMN a; -- expect instant

-- +downgrade
SELECT 1;
