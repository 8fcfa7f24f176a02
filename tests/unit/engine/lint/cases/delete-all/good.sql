-- revision: good
-- revises: before

-- +upgrade
DELETE FROM r WHERE id < 10;

-- +downgrade
SELECT 1;
