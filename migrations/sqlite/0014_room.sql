-- Twin of postgres/0014_room.sql: there is nothing to do here. SQLite keeps the second key of messages, which is part of the
-- table, and changes rows where they stand.
SELECT 1;
