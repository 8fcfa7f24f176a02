-- revision: bad
-- revises: before

-- +upgrade
CREATE DOMAIN small AS int CHECK (VALUE < 10); -- expect none

-- +downgrade
SELECT 1;
