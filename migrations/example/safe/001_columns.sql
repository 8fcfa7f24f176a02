-- What the application cannot start without, ensured at every start; each statement may run any number of times.
ALTER TABLE IF EXISTS users ADD COLUMN IF NOT EXISTS labs_user_id integer;
ALTER TABLE IF EXISTS users ADD COLUMN IF NOT EXISTS labs_org_uuid varchar(36);
