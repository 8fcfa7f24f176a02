-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ALTER COLUMN a SET EXPRESSION AS (b + 1); -- expect none

-- +downgrade
SELECT 1;
