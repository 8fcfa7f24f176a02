-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
DROP INDEX CONCURRENTLY t_a;

-- +downgrade
SELECT 1;
