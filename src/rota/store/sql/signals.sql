-- name: add
-- The first of a name stays.
INSERT INTO rota_signal (/* columns(signal) */)
SELECT /* columns(signal) */ FROM /* rows(signal) */ AS new
WHERE true
ON CONFLICT (run_id, name) DO NOTHING
RETURNING run_id;

-- name: get
SELECT /* columns(signal) */ FROM rota_signal WHERE run_id = :run_id AND name = :name;

-- name: of_run
SELECT /* columns(signal) */ FROM rota_signal WHERE run_id = :run_id ORDER BY at, name;

-- name: forget_time_outs
-- What nobody answered is asked again.
DELETE FROM rota_signal WHERE run_id = :run_id AND timed_out_at IS NOT NULL;

-- name: delete
DELETE FROM rota_signal WHERE run_id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);
