-- revision: 009_bench_add_column
-- revises: 008_add_user_title
-- created: 2026-02-03 09:00:00 UTC
-- message: one small change, for the bench

-- +upgrade
ALTER TABLE users ADD COLUMN bench_note text;

-- +downgrade
ALTER TABLE users DROP COLUMN bench_note;

-- +verify
SELECT bench_note FROM users LIMIT 0;
