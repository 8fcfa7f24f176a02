-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN at timestamptz;

-- +downgrade
SELECT 1;
