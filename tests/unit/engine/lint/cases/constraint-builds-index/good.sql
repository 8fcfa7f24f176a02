-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
CREATE UNIQUE INDEX CONCURRENTLY t_ab ON t (a, b);
ALTER TABLE t ADD CONSTRAINT t_ab UNIQUE USING INDEX t_ab;

-- +downgrade
SELECT 1;
