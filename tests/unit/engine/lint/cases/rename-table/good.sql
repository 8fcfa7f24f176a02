-- revision: good
-- revises: before
-- phase: expand

-- +upgrade
CREATE VIEW z AS SELECT * FROM o;

-- +downgrade
SELECT 1;
