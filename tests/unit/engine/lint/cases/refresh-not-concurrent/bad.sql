-- revision: bad
-- revises: before

-- +upgrade
REFRESH MATERIALIZED VIEW m; -- expect rewrite

-- +downgrade
SELECT 1;
