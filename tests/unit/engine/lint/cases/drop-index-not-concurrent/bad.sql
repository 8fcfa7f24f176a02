-- revision: bad
-- revises: before

-- +upgrade
DROP INDEX t_a; -- expect instant

-- +downgrade
SELECT 1;
