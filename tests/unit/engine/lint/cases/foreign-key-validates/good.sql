-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_o FOREIGN KEY (o_id) REFERENCES o NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT t_o;

-- +downgrade
SELECT 1;
