-- revision: 002_add_labs_sso_columns
-- revises: 001_initial
-- created: 2025-11-17 10:30:00 UTC
-- message: add labs sso columns

-- +upgrade
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS labs_user_id integer,
    ADD COLUMN IF NOT EXISTS labs_org_uuid varchar(36),
    ADD COLUMN IF NOT EXISTS labs_synced_at timestamptz;
CREATE UNIQUE INDEX IF NOT EXISTS users_labs_user_id_key ON users (labs_user_id) WHERE labs_user_id IS NOT NULL;
COMMENT ON COLUMN users.labs_user_id IS 'The same person in Labs, when they sign in from there';

-- +downgrade
DROP INDEX IF EXISTS users_labs_user_id_key;
ALTER TABLE users
    DROP COLUMN IF EXISTS labs_synced_at,
    DROP COLUMN IF EXISTS labs_org_uuid,
    DROP COLUMN IF EXISTS labs_user_id;

-- +verify
SELECT labs_user_id, labs_org_uuid, labs_synced_at FROM users LIMIT 0;
