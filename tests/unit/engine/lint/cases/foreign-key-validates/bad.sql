-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_o FOREIGN KEY (o_id) REFERENCES o; -- expect scan

-- +downgrade
SELECT 1;
