-- revision: bad
-- revises: before

-- +upgrade
CLUSTER t USING t_pkey; -- expect rewrite

-- +downgrade
SELECT 1;
