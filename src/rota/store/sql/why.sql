-- name: node
SELECT id, host, pid, version, queues, jobs, threads, started_at, seen_at, lease_until, running, rss, draining_at, stopped_at, lost_at
FROM node WHERE id = :id;

-- name: job
SELECT name, queue, definition, registered_at FROM job WHERE name = :name;

-- name: holders
-- Who has the slots of a shared limit.
SELECT id, job, node, started_at FROM run
WHERE limit_key = :key AND state = 'running'
ORDER BY started_at, id
LIMIT :limit;

-- name: running_in_queue
SELECT id, job, node, started_at FROM run
WHERE state = 'running' AND queue = :queue
ORDER BY started_at, id
LIMIT :limit;

-- name: held_ahead
-- How many wait for the same limit and go first.
SELECT count(*) FROM (
    SELECT 1 FROM run
    WHERE limit_key = :key AND held_by IS NOT NULL AND (priority, due_at, id) < (:priority, :due_at, :id)
    LIMIT :limit
) AS counted;

-- name: fire_of_run
SELECT fire.id, fire.schedule, fire.due_at, fire.kind, fire.verdict, fire.reason, fire.through_at, fire.moments,
    fire.decided_at, fire.node, run.id
FROM run JOIN fire ON fire.id = run.fire_id
WHERE run.id = :id;

-- name: waits
SELECT staged_at, held_since, held_for FROM run WHERE id = :id;
