-- revision: bad
-- revises: before

-- +upgrade
ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 1000); -- expect scan

-- +downgrade
SELECT 1;
