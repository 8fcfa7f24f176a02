-- revision: bad
-- revises: before

-- +upgrade
CREATE TABLE q (id bigserial PRIMARY KEY); -- expect none

-- +downgrade
SELECT 1;
