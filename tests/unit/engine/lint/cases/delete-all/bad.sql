-- revision: bad
-- revises: before

-- +upgrade
DELETE FROM r; -- expect rows

-- +downgrade
SELECT 1;
