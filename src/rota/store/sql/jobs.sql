-- name: register
INSERT INTO rota_job (name, queue, definition, registered_at)
SELECT name, queue, definition, :now FROM /* rows(name text, queue text, definition text) */ AS new
WHERE true
ON CONFLICT (name) DO UPDATE SET queue = excluded.queue, definition = excluded.definition, registered_at = excluded.registered_at;

-- name: all
SELECT name, queue, definition, registered_at FROM rota_job ORDER BY name;

-- name: get
SELECT name, queue, definition, registered_at FROM rota_job WHERE name = :name;
