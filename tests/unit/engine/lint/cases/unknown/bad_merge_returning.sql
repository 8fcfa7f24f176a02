-- revision: bad_merge_returning
-- revises: before

-- +upgrade
MERGE INTO t USING t AS x ON t.id = x.id WHEN MATCHED THEN UPDATE SET a = 1 RETURNING merge_action(), OLD.a; -- expect none

-- +downgrade
SELECT 1;
