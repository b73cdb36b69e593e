-- name: under_way
-- What the ledger says this node is running.
SELECT id, claim FROM rota_run WHERE node = :node AND state = 'running';

-- name: cancel_requests
SELECT id, claim, cancel_by FROM rota_run WHERE node = :node AND state = 'running' AND cancel_at IS NOT NULL;

-- name: save_progress
UPDATE rota_run AS run SET progress_done = given.done, progress_total = given.total, peak_rss = given.rss
FROM /* rows(run_id bigint, fence bigint, done bigint, total bigint, rss bigint) */ AS given
WHERE run.id = given.run_id
  AND CASE WHEN run.claim = given.fence THEN run.state = 'running' AND run.node = :node END;

-- name: save_checkpoint
-- Guarded like a result: an attempt that lost its run may not move the run's place.
UPDATE rota_run SET checkpoint = :checkpoint
WHERE id = :id AND claim = :claim AND state = 'running' AND node = :node;

-- name: lock
-- Whether an attempt still has its run, which then nobody takes from it before the transaction ends.
SELECT id FROM rota_run WHERE id = :id AND claim = :claim AND state = 'running' AND node = :node
/* for update */;

-- name: add
INSERT INTO rota_attempt (/* columns(attempt) */)
SELECT /* columns(attempt) */ FROM /* rows(attempt) */ AS new
WHERE true
ON CONFLICT (run_id, number) DO NOTHING;

-- name: ended_by
-- A success shows in the run's own row; any other end left a row of its own in the transaction that ended it.
SELECT run.id, run.state
FROM /* rows(ended_id bigint, fence bigint, attempt_number bigint, how text) */ AS ended
JOIN rota_run AS run ON run.id = ended.ended_id
WHERE (ended.how = 'succeeded' AND run.state = 'succeeded' AND run.claim = ended.fence AND run.node = :node)
   OR EXISTS (SELECT 1 FROM rota_attempt AS attempt
              WHERE attempt.run_id = ended.ended_id AND attempt.number = ended.attempt_number
                AND attempt.node = :node AND attempt.outcome = ended.how);

-- name: of_run
SELECT /* columns(attempt) */ FROM rota_attempt WHERE run_id = :run_id ORDER BY number;

-- name: delete
DELETE FROM rota_attempt WHERE run_id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);
