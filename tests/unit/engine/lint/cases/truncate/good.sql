-- revision: good
-- revises: before

-- +upgrade
DELETE FROM d WHERE id < 10;

-- +downgrade
SELECT 1;
