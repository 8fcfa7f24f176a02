-- revision: bad_virtual
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (a * 2) VIRTUAL; -- expect none

-- +downgrade
SELECT 1;
