-- revision: bad
-- revises: before

-- +upgrade
CREATE TABLE q (id int, PRIMARY KEY (id)); -- expect none

-- +downgrade
SELECT 1;
