-- revision: bad
-- revises: before

-- +upgrade
REINDEX TABLE t; -- expect build

-- +downgrade
SELECT 1;
