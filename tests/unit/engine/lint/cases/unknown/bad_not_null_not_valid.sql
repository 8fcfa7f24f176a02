-- revision: bad_not_null_not_valid
-- revises: before

-- +upgrade
ALTER TABLE t ADD CONSTRAINT needed NOT NULL a NOT VALID; -- expect none

-- +downgrade
SELECT 1;
