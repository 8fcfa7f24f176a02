-- revision: bad
-- revises: before

-- +upgrade
DROP SCHEMA s; -- expect instant

-- +downgrade
SELECT 1;
