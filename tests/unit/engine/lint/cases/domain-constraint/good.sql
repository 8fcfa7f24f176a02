-- revision: good
-- revises: before

-- +upgrade
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000) NOT VALID;

-- +downgrade
SELECT 1;
