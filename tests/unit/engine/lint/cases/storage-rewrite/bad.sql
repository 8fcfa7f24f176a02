-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE d SET UNLOGGED; -- expect rewrite

-- +downgrade
SELECT 1;
