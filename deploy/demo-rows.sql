-- Rows for the chat tables, once revision 008 is there; the same ones every time. With `-v duplicates=on` two people
-- share a display name, on which the unique index of migrations/example-failing stumbles.
\if :{?duplicates}
\else
  \set duplicates off
\endif
BEGIN;
INSERT INTO users (email, display_name, bio, title, created_at, updated_at)
SELECT 'person' || n || '@tenant.example', 'Person ' || n, 'Bio of person ' || n, 'Engineer', at, at
FROM generate_series(1, 50) AS n,
    LATERAL (SELECT timestamptz '2025-12-01 09:00:00+00' + n * interval '1 hour') AS joined (at)
ORDER BY n;
INSERT INTO users (email, display_name, created_at, updated_at)
SELECT 'twin@tenant.example', 'Person 7', '2025-12-31 12:00:00+00', '2025-12-31 12:00:00+00'
WHERE :'duplicates' = 'on';
INSERT INTO workspaces (slug, name, created_by, created_at)
SELECT 'team-' || n, 'Team ' || n, (SELECT min(id) FROM users), '2025-12-05 09:00:00+00'
FROM generate_series(1, 3) AS n ORDER BY n;
INSERT INTO memberships (workspace_id, user_id, joined_at)
SELECT w.id, u.id, u.created_at + interval '7 days'
FROM workspaces AS w JOIN users AS u ON u.id % 3 = w.id % 3 ORDER BY w.id, u.id;
INSERT INTO channels (workspace_id, name, created_at)
SELECT w.id, topic.name, '2025-12-05 10:00:00+00'
FROM workspaces AS w, unnest(ARRAY['general', 'random', 'help']) WITH ORDINALITY AS topic (name, place)
ORDER BY w.id, topic.place;
INSERT INTO messages (channel_id, author_id, body, created_at)
SELECT c.id, m.user_id, 'Message ' || n, timestamptz '2026-01-01 08:00:00+00' + n * interval '1 minute'
FROM channels AS c JOIN memberships AS m USING (workspace_id), generate_series(1, 3) AS n
ORDER BY n, c.id, m.user_id;
COMMIT;
