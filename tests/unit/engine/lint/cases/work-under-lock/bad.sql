-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int;
UPDATE o SET name = 'x' WHERE id < 10; -- expect rows

-- +downgrade
SELECT 1;
