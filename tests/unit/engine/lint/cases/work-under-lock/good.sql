-- revision: good
-- revises: before

-- +upgrade
UPDATE o SET name = 'x' WHERE id < 10;
ALTER TABLE t ADD COLUMN x int;

-- +downgrade
SELECT 1;
