-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE t ADD CONSTRAINT t_a_given CHECK (a IS NOT NULL) NOT VALID;
ALTER TABLE t VALIDATE CONSTRAINT t_a_given;
BEGIN;
ALTER TABLE t ALTER COLUMN a SET NOT NULL;
ALTER TABLE t DROP CONSTRAINT t_a_given;
COMMIT;

-- +downgrade
SELECT 1;
