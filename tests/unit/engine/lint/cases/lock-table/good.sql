-- revision: good
-- revises: before

-- +upgrade
LOCK TABLE r IN ROW EXCLUSIVE MODE;

-- +downgrade
SELECT 1;
