-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE t ADD COLUMN "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" int;

-- +downgrade
SELECT 1;
