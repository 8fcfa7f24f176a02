-- migrate:up
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL);

-- migrate:down
DROP TABLE people;
