-- revision: good
-- revises: before
-- phase: expand

-- +upgrade
ALTER TABLE t ADD COLUMN z int;

-- +downgrade
SELECT 1;
