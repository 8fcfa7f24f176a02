-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN w char(3); -- expect none

-- +downgrade
SELECT 1;
