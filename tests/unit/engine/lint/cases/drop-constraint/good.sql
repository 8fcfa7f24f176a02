-- revision: good
-- revises: before
-- transaction: none

-- +upgrade
ALTER TABLE o ADD CONSTRAINT o_short CHECK (length(name) < 9) NOT VALID;
ALTER TABLE o DROP CONSTRAINT o_short;

-- +downgrade
SELECT 1;
