-- revision: bad_not_enforced
-- revises: before

-- +upgrade
ALTER TABLE t ADD CONSTRAINT soft CHECK (a > 0) NOT ENFORCED; -- expect none

-- +downgrade
SELECT 1;
