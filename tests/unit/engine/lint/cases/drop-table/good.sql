-- revision: good
-- revises: before
-- phase: contract

-- +upgrade
DROP TABLE d;

-- +downgrade
SELECT 1;
