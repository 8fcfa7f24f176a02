-- revision: good
-- revises: before

-- +upgrade
SET LOCAL lock_timeout = '500ms';

-- +downgrade
SELECT 1;
