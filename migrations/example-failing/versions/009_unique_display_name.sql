-- revision: 009_unique_display_name
-- revises: 008_add_user_title
-- created: 2026-02-10 09:30:00 UTC
-- message: display names are unique

-- +upgrade
CREATE UNIQUE INDEX users_display_name_key ON users (lower(display_name));

-- +downgrade
DROP INDEX users_display_name_key;

-- +verify
SELECT indisvalid FROM pg_catalog.pg_index WHERE indexrelid = 'users_display_name_key'::regclass;
