-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN a_new bigint;

-- +downgrade
SELECT 1;
