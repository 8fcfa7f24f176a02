-- revision: bad
-- revises: before

-- +upgrade
ALTER TABLE u ADD PRIMARY KEY USING INDEX u_id; -- expect scan

-- +downgrade
SELECT 1;
