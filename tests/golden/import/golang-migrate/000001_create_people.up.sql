-- People, and what they feel.
BEGIN;

CREATE TYPE mood AS ENUM ('calm');
CREATE TABLE people (
    id bigint PRIMARY KEY,
    name text NOT NULL,
    mood mood NOT NULL DEFAULT 'calm'
);

COMMIT;
