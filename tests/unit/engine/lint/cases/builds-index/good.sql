-- revision: good
-- revises: before

-- +upgrade
DO $$ BEGIN CREATE TABLE q (id bigint PRIMARY KEY); END $$;

-- +downgrade
SELECT 1;
