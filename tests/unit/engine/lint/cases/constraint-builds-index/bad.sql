-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_ab UNIQUE (a, b); -- expect build

-- +downgrade
SELECT 1;
