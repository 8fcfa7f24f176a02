-- revision: bad
-- revises: before
-- transaction: none

-- +upgrade
DROP DATABASE IF EXISTS nobody; -- expect instant

-- +downgrade
SELECT 1;
