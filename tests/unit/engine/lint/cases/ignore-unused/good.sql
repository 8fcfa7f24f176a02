-- revision: good
-- revises: before
-- +ignore index-not-concurrent: nobody writes yet

-- +upgrade
CREATE INDEX t_v ON t (v);
CREATE INDEX t_b ON t (b);

-- +downgrade
SELECT 1;
