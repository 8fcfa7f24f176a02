-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_a_positive CHECK (a > 0) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT t_a_positive;

-- +downgrade
SELECT 1;
