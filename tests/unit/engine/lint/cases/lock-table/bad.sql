-- revision: bad
-- revises: before

-- +upgrade
LOCK TABLE r; -- expect instant

-- +downgrade
SELECT 1;
