-- revision: good
-- revises: before

-- +upgrade
ALTER TYPE mood ADD VALUE 'mad' AFTER 'sad';

-- +downgrade
SELECT 1;
