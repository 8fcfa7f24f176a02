-- revision: bad_open
-- revises: before
-- transaction: none

-- +upgrade
BEGIN; -- expect none
SELECT 1;

-- +downgrade
SELECT 1;
