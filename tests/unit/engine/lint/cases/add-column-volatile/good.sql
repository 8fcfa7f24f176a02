-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x timestamptz DEFAULT now();

-- +downgrade
SELECT 1;
