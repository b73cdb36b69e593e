-- name: here
-- What this database is called, its number and that of our table in it, and whether this user may ask for the cluster's.
SELECT current_database(), CAST(database.oid AS BIGINT), CAST(CAST('rota_passport' AS regclass) AS oid),
    has_function_privilege('pg_control_system()', 'EXECUTE')
FROM pg_database AS database WHERE database.datname = current_database();

-- name: system
SELECT system_identifier FROM pg_control_system();
