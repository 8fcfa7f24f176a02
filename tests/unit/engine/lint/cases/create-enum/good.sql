-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE size (name text PRIMARY KEY);

-- +downgrade
SELECT 1;
