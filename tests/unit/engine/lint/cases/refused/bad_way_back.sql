-- revision: bad_way_back
-- revises: before

-- +upgrade
SELECT 1; -- expect none
