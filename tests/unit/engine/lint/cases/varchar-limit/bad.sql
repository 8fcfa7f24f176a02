-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN w varchar(30); -- expect none

-- +downgrade
SELECT 1;
