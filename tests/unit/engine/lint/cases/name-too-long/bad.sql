-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx int; -- expect none

-- +downgrade
SELECT 1;
