-- revision: good
-- revises: before

-- +upgrade
CREATE TABLE public.q (id bigint PRIMARY KEY);

-- +downgrade
SELECT 1;
