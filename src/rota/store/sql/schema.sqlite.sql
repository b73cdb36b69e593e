-- name: columns
-- The columns of tables of these names; a table that is not there has none.
SELECT asked.name, part.name FROM /* rows(name text) */ AS asked JOIN pragma_table_info(asked.name) AS part;
