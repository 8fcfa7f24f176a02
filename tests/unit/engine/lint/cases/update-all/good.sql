-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
-- +batch key=id table=t
UPDATE t SET b = 1 WHERE /*+batch*/ true;

-- +downgrade
SELECT 1;
