-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE u ADD CONSTRAINT u_id_given CHECK (id IS NOT NULL) NOT VALID;
ALTER TABLE u VALIDATE CONSTRAINT u_id_given;
BEGIN;
ALTER TABLE u ALTER COLUMN id SET NOT NULL;
ALTER TABLE u DROP CONSTRAINT u_id_given;
COMMIT;
ALTER TABLE u ADD PRIMARY KEY USING INDEX u_id;

-- +downgrade
SELECT 1;
