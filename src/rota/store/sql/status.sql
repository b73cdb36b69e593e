-- name: overdue
-- Schedules that were due before a moment, most overdue first.
SELECT name, job, next_due_at FROM schedule
WHERE next_due_at < :before AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
ORDER BY next_due_at
LIMIT :limit;

-- name: paused_schedules
SELECT name, paused_at, paused_by, paused_why FROM schedule
WHERE paused_at IS NOT NULL AND removed_at IS NULL
ORDER BY paused_at DESC
LIMIT :limit;

-- name: dead
-- Counted up to a cap; the partial index holds nothing else.
SELECT count(*) FROM (SELECT 1 FROM run WHERE state = 'failed' LIMIT :cap) AS head;

-- name: stray_leases
-- Holds that ran out long ago and were never given back: their holders died.
SELECT name, holder, expires_at FROM lease WHERE holder <> '' AND expires_at < :before ORDER BY expires_at LIMIT :limit;

-- name: stray_runs
-- Runs that nobody will bring back by himself: their node is not in the ledger any more.
SELECT run.id, run.node FROM run LEFT JOIN node ON node.id = run.node
WHERE run.state = 'running' AND node.id IS NULL
ORDER BY run.id
LIMIT :limit;

-- name: ahead
-- Schedules that are judged up to a moment that has not come yet.
SELECT count(*), max(watermark) FROM schedule WHERE watermark > :after AND removed_at IS NULL;

-- name: running
-- The attempts that have run for longest.
SELECT id, job, node, started_at FROM run
WHERE state = 'running' AND started_at < :before
ORDER BY started_at
LIMIT :limit;
