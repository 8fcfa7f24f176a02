-- revision: bad
-- revises: before

-- +upgrade
DROP VIEW v; -- expect instant
CREATE TABLE very (id bigint);

-- +downgrade
SELECT 1;
