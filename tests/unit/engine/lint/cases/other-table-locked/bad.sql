-- revision: bad
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, t_id bigint REFERENCES t); -- expect instant

-- +downgrade
SELECT 1;
