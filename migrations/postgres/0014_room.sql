-- Less to write for each message, and room for customers to change in. sqlite/0014_room.sql is its twin. From this schema on a
-- new database has profiles in their short form (`src/domain/customer/stored.rs`), which an older build cannot read; one that
-- is brought here from an older schema keeps them in full, and works for the older build.

-- A message's id is derived from these columns: the primary key says it already.
ALTER TABLE messages DROP CONSTRAINT IF EXISTS messages_customer_id_rule_occurrence_step_channel_key;

-- A customer's row that changes stays on its page, where no index has to be told. Holds for pages filled from now on.
ALTER TABLE customers SET (fillfactor = 60);
