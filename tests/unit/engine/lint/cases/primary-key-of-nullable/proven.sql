-- revision: proven
-- revises: before

-- +upgrade
ALTER TABLE u ADD PRIMARY KEY USING INDEX u_x;

-- +downgrade
SELECT 1;
