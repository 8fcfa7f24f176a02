-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (1000) TO (2000); -- expect scan

-- +downgrade
SELECT 1;
