ALTER TYPE mood ADD VALUE 'happy';
ALTER TABLE people ALTER COLUMN mood SET DEFAULT 'happy';
INSERT INTO people (id, name) VALUES (1, 'Ada');
