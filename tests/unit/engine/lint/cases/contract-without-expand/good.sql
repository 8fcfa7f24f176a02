-- revision: good
-- revises: expand
-- phase: contract

-- +upgrade
SELECT 1;

-- +downgrade
SELECT 1;
