-- revision: bad
-- revises: before

-- +upgrade
ALTER TYPE mood ADD VALUE 'mad'; -- expect none

-- +downgrade
SELECT 1;
