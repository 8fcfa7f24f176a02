-- revision: good
-- revises: before

-- +upgrade
ALTER TABLE o ADD COLUMN nick text;

-- +downgrade
SELECT 1;
