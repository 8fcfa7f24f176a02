-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN w varchar;

-- +downgrade
SELECT 1;
