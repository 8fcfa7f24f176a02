-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN x positive DEFAULT 1; -- expect rewrite

-- +downgrade
SELECT 1;
