-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
CREATE INDEX CONCURRENTLY t_v ON t (v);

-- +downgrade
SELECT 1;
