-- name: register
INSERT INTO node (id, host, pid, version, queues, jobs, threads, started_at, seen_at, lease_until)
VALUES (:id, :host, :pid, :version, :queues, :jobs, :threads, :now, :now, :lease_until);

-- name: beat
-- Extend the lease; a node that was given up for lost gets no row back and must start anew.
UPDATE node SET seen_at = :now, lease_until = :lease_until, running = :running, rss = :rss
WHERE id = :id AND lost_at IS NULL AND stopped_at IS NULL
RETURNING draining_at;

-- name: lapsed
-- Nodes whose lease has run out; whoever asks is none of them, as it asks.
SELECT id FROM node
WHERE lost_at IS NULL AND stopped_at IS NULL AND lease_until < :now AND id <> :asking
ORDER BY lease_until
LIMIT 20;

-- name: alive
SELECT id, host, pid FROM node WHERE lost_at IS NULL AND stopped_at IS NULL;

-- name: lose
-- Compare-and-set: from here on the node's results are refused.
UPDATE node SET lost_at = :now
WHERE id = :id AND lost_at IS NULL AND stopped_at IS NULL AND lease_until <= :lease_until;

-- name: lost_with_runs
-- Lost nodes that a rescue was cut short on, and stopped ones that left something behind.
SELECT DISTINCT node.id FROM node JOIN run ON run.node = node.id AND run.state = 'running'
WHERE node.lost_at IS NOT NULL OR node.stopped_at IS NOT NULL;

-- name: stop
UPDATE node SET stopped_at = :now, running = 0 WHERE id = :id AND stopped_at IS NULL;

-- name: drain
UPDATE node SET draining_at = :now WHERE id = :id AND draining_at IS NULL AND stopped_at IS NULL AND lost_at IS NULL;

-- name: all
SELECT id, host, pid, version, queues, jobs, threads, started_at, seen_at, lease_until, running, rss, draining_at, stopped_at, lost_at
FROM node
WHERE (stopped_at IS NULL AND lost_at IS NULL) OR coalesce(stopped_at, lost_at) > :gone_after
ORDER BY started_at DESC
LIMIT :limit;

-- name: save_duties
INSERT INTO duty (node, name, ticked_at, failed_at, error, patience)
SELECT :node, name, ticked_at, failed_at, error, patience
FROM /* rows(name text, ticked_at bigint, failed_at bigint, error text, patience bigint) */ AS new
WHERE true
ON CONFLICT (node, name) DO UPDATE SET ticked_at = excluded.ticked_at, failed_at = excluded.failed_at, error = excluded.error;

-- name: duties
SELECT duty.node, duty.name, duty.ticked_at, duty.failed_at, duty.error, duty.patience
FROM duty JOIN node ON node.id = duty.node
WHERE node.stopped_at IS NULL AND node.lost_at IS NULL
ORDER BY duty.node, duty.name;

-- name: prune
DELETE FROM node WHERE coalesce(stopped_at, lost_at) < :before
  AND NOT EXISTS (SELECT 1 FROM run WHERE run.node = node.id AND run.state = 'running');

-- name: prune_duties
DELETE FROM duty WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.id = duty.node);
