-- revision: bad_alone
-- revises: before
-- transaction: none

-- +upgrade
VACUUM t; -- expect none

-- +downgrade
SELECT 1;
