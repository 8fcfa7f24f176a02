-- revision: bad
-- revises: before

-- +upgrade
DO 'BEGIN END'; -- expect none

-- +downgrade
SELECT 1;
