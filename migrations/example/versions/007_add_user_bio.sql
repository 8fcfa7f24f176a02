-- revision: 007_add_user_bio
-- revises: 006_add_push_subscriptions
-- created: 2026-01-20 10:00:00 UTC
-- message: add user bio

-- +upgrade
ALTER TABLE users ADD COLUMN IF NOT EXISTS bio text;

-- +downgrade
ALTER TABLE users DROP COLUMN IF EXISTS bio;

-- +verify
SELECT bio FROM users LIMIT 0;
