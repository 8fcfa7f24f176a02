-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
CREATE INDEX CONCURRENTLY t_b ON t (b);

-- +downgrade
SELECT 1;
