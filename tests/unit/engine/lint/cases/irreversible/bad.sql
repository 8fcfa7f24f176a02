-- revision: bad
-- revises: before
-- irreversible: it sends letters

-- +upgrade
SELECT 1; -- expect-file none
