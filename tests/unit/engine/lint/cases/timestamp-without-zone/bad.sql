-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN at timestamp; -- expect none

-- +downgrade
SELECT 1;
