-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE q (id bigint PRIMARY KEY, a int, EXCLUDE USING btree (a WITH =));

-- +downgrade
SELECT 1;
