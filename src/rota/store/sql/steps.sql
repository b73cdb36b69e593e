-- name: add
INSERT INTO rota_step (/* columns(step) */) VALUES (/* parameters(step) */);

-- name: get
SELECT /* columns(step) */ FROM rota_step WHERE run_id = :run_id AND name = :name;

-- name: of_run
SELECT /* columns(step) */ FROM rota_step WHERE run_id = :run_id ORDER BY at, name;

-- name: delete
DELETE FROM rota_step WHERE run_id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);
