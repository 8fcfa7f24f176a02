-- revision: proven
-- revises: before

-- +upgrade
ALTER TABLE p ATTACH PARTITION p3 FOR VALUES FROM (2000) TO (3000);

-- +downgrade
SELECT 1;
