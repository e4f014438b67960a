-- Customers' rows encrypted, where the configuration asks for it. sqlite/0011_encrypted_profiles.sql is its twin. An older build
-- works as long as nothing is: it cannot read what is encrypted, and sets aside whoever it is about.

-- The number in `phone`, encrypted, where `phone` holds the hash that it is found by.
ALTER TABLE customers ADD COLUMN phone_sealed text;
