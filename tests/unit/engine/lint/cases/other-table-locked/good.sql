-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, t_id bigint);

-- +downgrade
SELECT 1;
