-- revision: bad
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, j json); -- expect none

-- +downgrade
SELECT 1;
