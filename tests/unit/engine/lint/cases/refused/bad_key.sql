-- revision: bad_key
-- revises: before
-- transaction: none

-- +upgrade
-- +batch size=10 -- expect none
UPDATE t SET b = 1 WHERE /*+batch*/ true;

-- +downgrade
SELECT 1;
