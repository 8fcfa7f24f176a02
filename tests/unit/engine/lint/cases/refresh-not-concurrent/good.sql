-- revision: good
-- revises: before

-- +upgrade
REFRESH MATERIALIZED VIEW CONCURRENTLY m;

-- +downgrade
SELECT 1;
