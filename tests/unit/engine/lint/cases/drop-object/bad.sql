-- revision: bad
-- revises: before

-- +upgrade
DROP VIEW v; -- expect instant

-- +downgrade
SELECT 1;
