-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE r SET SCHEMA s; -- expect instant

-- +downgrade
SELECT 1;
