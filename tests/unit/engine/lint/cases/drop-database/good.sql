-- revision: good
-- revises: before

-- +upgrade
CREATE SCHEMA z;

-- +downgrade
SELECT 1;
