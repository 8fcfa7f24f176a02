-- revision: bad
-- revises: before
-- transaction: none

-- +upgrade
CREATE UNIQUE INDEX CONCURRENTLY t_b ON t (b); -- expect none

-- +downgrade
SELECT 1;
