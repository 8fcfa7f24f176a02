-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x bigint GENERATED ALWAYS AS IDENTITY; -- expect rewrite

-- +downgrade
SELECT 1;
