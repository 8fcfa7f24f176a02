-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, o_id bigint REFERENCES o);
CREATE INDEX q_o_id ON q (o_id);

-- +downgrade
SELECT 1;
