-- revision: bad
-- revises: before

-- +upgrade
ALTER TYPE mood RENAME VALUE 'sad' TO 'low'; -- expect instant

-- +downgrade
SELECT 1;
