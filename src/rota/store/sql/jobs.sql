-- name: register
-- Only what is new or changed is written: an application with many jobs starts often.
INSERT INTO rota_job AS job (name, owner, code, queue, definition, limit_count, registered_at)
SELECT name, :owner, code, queue, definition, limit_count, :now
FROM /* rows(name text, code text, queue text, definition text, limit_count bigint) */ AS new
WHERE true
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, code = excluded.code, queue = excluded.queue,
    definition = excluded.definition, limit_count = excluded.limit_count, registered_at = excluded.registered_at
WHERE (job.owner, job.code, job.queue, job.definition)
   <> (excluded.owner, excluded.code, excluded.queue, excluded.definition);

-- name: all
SELECT name, owner, code, queue, definition, limit_count, registered_at FROM rota_job ORDER BY name;

-- name: get
SELECT name, owner, code, queue, definition, limit_count, registered_at FROM rota_job WHERE name = :name;

-- name: definitions
SELECT name, definition FROM rota_job WHERE name /* among(asked text) */;

-- name: naming_environments
-- An application may have very many jobs, and mostly none names any.
SELECT owner, definition FROM rota_job WHERE definition NOT LIKE '%"environments": null%';

-- name: of_others
SELECT name, owner, code FROM rota_job WHERE owner <> :owner;
