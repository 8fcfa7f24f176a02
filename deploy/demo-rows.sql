-- Rows for the chat tables, once revision 008 is there. With `-v duplicates=on` two people share a display name, on
-- which the unique index of migrations/example-failing stumbles.
\if :{?duplicates}
\else
  \set duplicates off
\endif
INSERT INTO users (email, display_name, bio, title)
SELECT 'person' || n || '@tenant.example', 'Person ' || n, 'Bio of person ' || n, 'Engineer'
FROM generate_series(1, 50) AS n;
INSERT INTO users (email, display_name)
SELECT 'twin@tenant.example', 'Person 7' WHERE :'duplicates' = 'on';
INSERT INTO workspaces (slug, name, created_by)
SELECT 'team-' || n, 'Team ' || n, (SELECT min(id) FROM users) FROM generate_series(1, 3) AS n;
INSERT INTO memberships (workspace_id, user_id)
SELECT w.id, u.id FROM workspaces AS w, users AS u WHERE u.id % 3 = w.id % 3;
INSERT INTO channels (workspace_id, name)
SELECT w.id, topic.name FROM workspaces AS w, unnest(ARRAY['general', 'random', 'help']) AS topic (name);
INSERT INTO messages (channel_id, author_id, body, created_at)
SELECT c.id, m.user_id, 'Message ' || n, timestamptz '2026-01-01 08:00:00+00' + n * interval '1 minute'
FROM channels AS c JOIN memberships AS m USING (workspace_id), generate_series(1, 3) AS n;
