-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_a_positive CHECK (a > 0) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT t_a_positive; -- expect scan

-- +downgrade
SELECT 1;
