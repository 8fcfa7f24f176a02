-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE t ADD EXCLUDE USING btree (a WITH =); -- expect build

-- +downgrade
SELECT 1;
