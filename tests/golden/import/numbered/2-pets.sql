\set ON_ERROR_STOP on
CREATE TABLE pets (id bigint PRIMARY KEY);
COPY pets (id) FROM stdin;
1
2
\.
