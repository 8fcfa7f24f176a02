-- revision: bad
-- revises: before

-- +upgrade
CREATE INDEX t_v ON t (v); -- expect build

-- +downgrade
SELECT 1;
