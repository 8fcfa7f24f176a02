-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE p DETACH PARTITION p1; -- expect instant

-- +downgrade
SELECT 1;
