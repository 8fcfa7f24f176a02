-- +goose NO TRANSACTION
-- +goose up
CREATE INDEX CONCURRENTLY people_name ON people (name);
-- +goose down
DROP INDEX CONCURRENTLY people_name;
