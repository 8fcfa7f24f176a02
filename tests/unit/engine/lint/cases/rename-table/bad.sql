-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE o RENAME TO z; -- expect instant

-- +downgrade
SELECT 1;
