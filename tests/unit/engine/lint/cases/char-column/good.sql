-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN w text;

-- +downgrade
SELECT 1;
