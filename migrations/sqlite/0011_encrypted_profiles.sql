-- Customers' rows encrypted, where the configuration asks for it. postgres/0011_encrypted_profiles.sql is its twin.

-- The number in `phone`, encrypted, where `phone` holds the hash that it is found by.
ALTER TABLE customers ADD COLUMN phone_sealed TEXT;
