-- revision: bad
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, o_id bigint REFERENCES o); -- expect none

-- +downgrade
SELECT 1;
