-- revision: bad
-- revises: before

-- +upgrade
-- +ignore no-such-rule: for the test -- expect none
SELECT 1;

-- +downgrade
SELECT 1;
