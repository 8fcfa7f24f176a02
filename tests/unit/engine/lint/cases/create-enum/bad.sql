-- revision: bad
-- revises: before

-- +upgrade
CREATE TYPE size AS ENUM ('s', 'm'); -- expect none

-- +downgrade
SELECT 1;
