-- revision: bad
-- revises: before

-- +upgrade
-- +ignore set-not-null: for the test -- expect none
SELECT 1;

-- +downgrade
SELECT 1;
