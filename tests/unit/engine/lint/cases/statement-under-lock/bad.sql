-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int;
ALTER TABLE o ADD COLUMN x int; -- expect instant

-- +downgrade
SELECT 1;
