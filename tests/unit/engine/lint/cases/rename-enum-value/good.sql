-- revision: good
-- revises: before

-- +upgrade
ALTER TYPE mood ADD VALUE 'low' BEFORE 'glad';

-- +downgrade
SELECT 1;
