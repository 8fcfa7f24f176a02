-- revision: bad
-- revises: before

-- +upgrade
DROP TABLE d; -- expect instant

-- +downgrade
SELECT 1;
