-- revision: good
-- revises: before

-- +upgrade
CREATE DOMAIN small AS int;

-- +downgrade
SELECT 1;
