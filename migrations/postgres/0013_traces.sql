-- The trace that an event came in, for what follows from it: `traceparent` of W3C Trace Context, null for most. Entries and
-- messages carry it in their bodies. sqlite/0013_traces.sql is its twin. An older build writes none, and passes none on.

ALTER TABLE events ADD COLUMN traceparent text;
ALTER TABLE outcomes ADD COLUMN traceparent text;
