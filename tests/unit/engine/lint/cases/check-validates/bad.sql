-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_a_positive CHECK (a > 0); -- expect scan

-- +downgrade
SELECT 1;
