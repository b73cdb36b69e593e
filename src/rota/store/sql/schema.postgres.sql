-- name: columns
-- The columns of tables of these names; a table that is not there has none.
SELECT asked.name, CAST(part.attname AS TEXT)
FROM /* rows(name text) */ AS asked JOIN pg_attribute AS part ON part.attrelid = to_regclass(asked.name)
WHERE part.attnum > 0 AND NOT part.attisdropped;
