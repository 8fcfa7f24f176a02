-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE n (id bigint);
ALTER TABLE n SET SCHEMA s;

-- +downgrade
SELECT 1;
