-- revision: bad
-- revises: before
-- phase: contract

-- +upgrade
SELECT 1; -- expect-file none

-- +downgrade
SELECT 1;
