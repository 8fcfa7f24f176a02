-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint, n int, PRIMARY KEY (id));

-- +downgrade
SELECT 1;
