-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;

-- +downgrade
SELECT 1;
