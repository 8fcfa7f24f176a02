-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
-- +rerunnable
VACUUM t;

-- +downgrade
SELECT 1;
