-- revision: bad_begin
-- revises: before

-- +upgrade
BEGIN; -- expect none
SELECT 1;
COMMIT;

-- +downgrade
SELECT 1;
