-- revision: bad
-- revises: before

-- +upgrade
DO $$ BEGIN CREATE INDEX t_v ON t (v); END $$; -- expect build

-- +downgrade
SELECT 1;
