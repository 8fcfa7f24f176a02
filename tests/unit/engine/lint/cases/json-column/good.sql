-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, j jsonb);

-- +downgrade
SELECT 1;
