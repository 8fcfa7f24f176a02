-- revision: bad
-- revises: before

-- +upgrade
CREATE INDEX CONCURRENTLY t_v ON t (v); -- expect none

-- +downgrade
SELECT 1;
