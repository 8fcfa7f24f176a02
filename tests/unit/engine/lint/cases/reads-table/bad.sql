-- revision: bad
-- revises: before

-- +upgrade
DO $$ BEGIN ALTER TABLE t ALTER COLUMN a SET NOT NULL; END $$; -- expect scan

-- +downgrade
SELECT 1;
