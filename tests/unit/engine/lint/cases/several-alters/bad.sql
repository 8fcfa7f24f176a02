-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int;
ALTER TABLE t ADD COLUMN y int; -- expect none

-- +downgrade
SELECT 1;
