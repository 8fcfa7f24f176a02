-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x int GENERATED ALWAYS AS (a + 1) STORED; -- expect rewrite

-- +downgrade
SELECT 1;
