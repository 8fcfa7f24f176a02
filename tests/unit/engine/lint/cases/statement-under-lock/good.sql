-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE t ADD COLUMN x int;
ALTER TABLE o ADD COLUMN x int;

-- +downgrade
SELECT 1;
