-- revision: good
-- revises: before

-- +upgrade
DO $$ BEGIN ALTER TABLE t ADD COLUMN x int; END $$;

-- +downgrade
SELECT 1;
