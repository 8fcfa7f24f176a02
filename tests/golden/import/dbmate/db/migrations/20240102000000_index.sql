-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY people_name ON people (name);

-- migrate:down
DROP INDEX people_name;
