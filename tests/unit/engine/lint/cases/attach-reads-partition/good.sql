-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (3000) TO (4000);

-- +downgrade
SELECT 1;
