-- revision: bad
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY); -- expect none

-- +downgrade
SELECT 1;
