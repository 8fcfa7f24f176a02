DELETE FROM people WHERE mood = 'happy';
ALTER TABLE people ALTER COLUMN mood SET DEFAULT 'calm';
