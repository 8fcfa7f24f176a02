-- revision: bad
-- revises: before

-- +upgrade
UPDATE t SET b = 1; -- expect rows

-- +downgrade
SELECT 1;
