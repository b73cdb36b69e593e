-- name: add
INSERT INTO rota_batch (parent_run_id, job, total, then_job, then_arguments, created_at)
VALUES (:parent_run_id, :job, :total, :then_job, :then_arguments, :now)
RETURNING id;

-- name: count
UPDATE rota_batch AS batch SET succeeded = succeeded + given.good, failed = failed + given.bad, cancelled = cancelled + given.given_up
FROM /* rows(batch bigint, good bigint, bad bigint, given_up bigint) */ AS given
WHERE batch.id = given.batch;

-- name: ripe
SELECT id FROM rota_batch WHERE finished_at IS NULL AND succeeded + failed + cancelled >= total ORDER BY id LIMIT :limit;

-- name: complete
-- Compare-and-set: whoever sets the moment runs what comes next.
UPDATE rota_batch SET finished_at = :now
WHERE id /* among(ripe bigint) */ AND finished_at IS NULL AND succeeded + failed + cancelled >= total
RETURNING /* columns(batch) */;

-- name: drop_next_steps
-- What would follow the batches that are not over.
UPDATE rota_batch SET then_job = NULL WHERE finished_at IS NULL AND then_job IS NOT NULL;

-- name: get
SELECT /* columns(batch) */ FROM rota_batch WHERE id = :id;

-- name: prune
DELETE FROM rota_batch WHERE id IN (SELECT id FROM rota_batch WHERE finished_at < :before ORDER BY id LIMIT :limit);
