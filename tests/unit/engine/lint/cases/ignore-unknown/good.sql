-- revision: good
-- revises: before

-- +upgrade
-- +ignore set-not-null: the table is small
ALTER TABLE t ALTER COLUMN a SET NOT NULL;

-- +downgrade
SELECT 1;
