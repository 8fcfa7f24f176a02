-- revision: bad
-- revises: before

-- +upgrade
SET LOCAL lock_timeout = 0; -- expect instant

-- +downgrade
SELECT 1;
