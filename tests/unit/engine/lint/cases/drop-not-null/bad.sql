-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE o ALTER COLUMN name DROP NOT NULL; -- expect instant

-- +downgrade
SELECT 1;
