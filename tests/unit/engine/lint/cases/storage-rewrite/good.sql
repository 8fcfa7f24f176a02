-- revision: good
-- revises: before

-- +upgrade
CREATE UNLOGGED TABLE q (id bigint PRIMARY KEY);

-- +downgrade
SELECT 1;
