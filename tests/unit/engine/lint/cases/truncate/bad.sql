-- revision: bad
-- revises: before

-- +upgrade
TRUNCATE d; -- expect instant

-- +downgrade
SELECT 1;
