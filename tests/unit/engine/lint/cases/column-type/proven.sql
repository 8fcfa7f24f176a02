-- revision: proven
-- revises: before

-- +upgrade
ALTER TABLE t ALTER COLUMN v TYPE varchar(40);

-- +downgrade
SELECT 1;
