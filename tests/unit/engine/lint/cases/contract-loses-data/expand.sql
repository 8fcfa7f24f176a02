-- revision: expand
-- revises: before
-- phase: expand

-- +upgrade
SELECT 1;

-- +downgrade
SELECT 1;
