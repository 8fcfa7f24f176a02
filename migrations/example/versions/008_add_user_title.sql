-- revision: 008_add_user_title
-- revises: 007_add_user_bio
-- created: 2026-01-27 13:40:00 UTC
-- message: add user title

-- +upgrade
ALTER TABLE users ADD COLUMN IF NOT EXISTS title varchar(120);
COMMENT ON COLUMN users.title IS 'What the person does, as they put it themselves';

-- +downgrade
ALTER TABLE users DROP COLUMN IF EXISTS title;

-- +verify
SELECT title FROM users LIMIT 0;
