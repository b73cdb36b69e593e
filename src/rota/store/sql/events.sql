-- name: add
INSERT INTO rota_event (/* columns(event) */)
SELECT /* columns(event) */ FROM /* rows(event) */ AS new
WHERE true;

-- name: of_run
SELECT /* columns(event) */ FROM rota_event WHERE run_id = :run_id ORDER BY id;

-- name: of_subject
SELECT /* columns(event) */ FROM rota_event WHERE subject = :subject ORDER BY id DESC LIMIT :limit;

-- name: prune
-- What a person did is kept for ever.
DELETE FROM rota_event WHERE id IN (
    SELECT id FROM rota_event WHERE actor IS NULL AND at < :before ORDER BY id LIMIT :limit
);
