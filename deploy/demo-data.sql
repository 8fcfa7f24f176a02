-- What a tenant of the demo holds before pgtide first meets it: a billing part that no revision touches.
CREATE TABLE billing_accounts (
    id integer PRIMARY KEY,
    owner_email text NOT NULL,
    plan text NOT NULL,
    opened_on date NOT NULL
);
CREATE TABLE billing_events (
    id integer PRIMARY KEY,
    account_id integer NOT NULL REFERENCES billing_accounts (id),
    amount_cents integer NOT NULL,
    booked_at timestamptz NOT NULL
);
CREATE INDEX billing_events_account_id_idx ON billing_events (account_id);
INSERT INTO billing_accounts
SELECT n, 'owner' || n || '@tenant.example', (ARRAY['free', 'pro', 'enterprise'])[1 + n % 3], date '2024-01-01' + n
FROM generate_series(1, 40) AS n;
INSERT INTO billing_events
SELECT n, 1 + n % 40, 100 * (n % 97), timestamptz '2024-02-01 00:00:00+00' + n * interval '3 hours'
FROM generate_series(1, 400) AS n;
