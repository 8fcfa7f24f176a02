-- revision: bad
-- revises: before

-- +upgrade
ALTER SCHEMA s RENAME TO z; -- expect instant

-- +downgrade
SELECT 1;
