-- name: applied
-- The migrations that the database has had.
SELECT number FROM rota_migration ORDER BY number;

-- name: applied_without_prefix
-- Of a ledger from before its tables had their prefix.
SELECT name FROM migration ORDER BY number;

-- name: add
INSERT INTO rota_migration (number, name, applied_at) VALUES (:number, :name, :now);
