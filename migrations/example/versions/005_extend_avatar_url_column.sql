-- revision: 005_extend_avatar_url_column
-- revises: 004_add_google_calendar_integration
-- created: 2025-12-19 11:20:00 UTC
-- message: extend avatar url column

-- +upgrade
ALTER TABLE users ALTER COLUMN avatar_url TYPE varchar(1024);

-- +downgrade
-- Longer addresses cannot be kept in the narrower column.
UPDATE users SET avatar_url = NULL WHERE length(avatar_url) > 255;
ALTER TABLE users ALTER COLUMN avatar_url TYPE varchar(255);

-- +verify
SELECT atttypmod - 4 = 1024 FROM pg_catalog.pg_attribute
WHERE attrelid = 'users'::regclass AND attname = 'avatar_url';
