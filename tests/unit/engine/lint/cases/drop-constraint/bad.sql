-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE o DROP CONSTRAINT o_name; -- expect instant

-- +downgrade
SELECT 1;
