-- name: record
INSERT INTO event (at, kind, subject, run_id, actor, data)
SELECT at, kind, subject, run_id, actor, data
FROM /* rows(at bigint, kind text, subject text, run_id bigint, actor text, data text) */ AS new
WHERE true;

-- name: of_run
SELECT id, at, kind, subject, run_id, actor, data FROM event WHERE run_id = :run_id ORDER BY id;

-- name: of_subject
SELECT id, at, kind, subject, run_id, actor, data FROM event WHERE subject = :subject ORDER BY id DESC LIMIT :limit;

-- name: prune
-- What a person did is kept for ever.
DELETE FROM event WHERE id IN (
    SELECT id FROM event WHERE actor IS NULL AND at < :before ORDER BY id LIMIT :limit
);
