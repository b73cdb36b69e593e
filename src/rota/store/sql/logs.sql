-- name: save
INSERT INTO rota_log (run_id, attempt, lines)
SELECT run_id, attempt, lines FROM /* rows(run_id bigint, attempt bigint, lines text) */ AS new
WHERE true
ON CONFLICT (run_id, attempt) DO UPDATE SET lines = excluded.lines;

-- name: of_run
SELECT attempt, lines FROM rota_log WHERE run_id = :run_id ORDER BY attempt;

-- name: delete
DELETE FROM rota_log WHERE run_id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);
