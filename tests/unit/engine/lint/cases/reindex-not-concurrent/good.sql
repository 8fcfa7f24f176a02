-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
REINDEX TABLE CONCURRENTLY t;

-- +downgrade
SELECT 1;
