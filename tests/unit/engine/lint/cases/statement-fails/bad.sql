-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE nowhere ADD COLUMN x int; -- expect none

-- +downgrade
SELECT 1;
