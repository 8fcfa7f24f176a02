-- +goose Up
CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL, seen int NOT NULL DEFAULT 0);

-- +goose StatementBegin
CREATE FUNCTION people_seen() RETURNS trigger AS $$
BEGIN
    NEW.seen := OLD.seen + 1;
    RETURN NEW;
END;
$$ LANGUAGE plpgsql
-- +goose StatementEnd
CREATE TRIGGER people_seen BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION people_seen();

-- +goose Down
DROP TABLE people;
DROP FUNCTION people_seen();
