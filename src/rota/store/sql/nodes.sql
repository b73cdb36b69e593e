-- name: register
INSERT INTO rota_node (/* columns(new_node) */, started_at, seen_at, lease_until)
VALUES (/* parameters(new_node) */, :now, :now, :lease_until);

-- name: beat
-- Extend the lease; a node that was given up for lost gets no row back and must start anew.
UPDATE rota_node SET seen_at = :now, lease_until = :lease_until, running = :running, slots = :slots,
    slots_busy = :slots_busy, rss = :rss
WHERE id = :id AND lost_at IS NULL AND stopped_at IS NULL
RETURNING draining_at;

-- name: seen_at
SELECT seen_at FROM rota_node WHERE id = :id;

-- name: lapsed
-- Nodes whose lease has run out; whoever asks is none of them, as it asks.
SELECT id FROM rota_node
WHERE lost_at IS NULL AND stopped_at IS NULL AND lease_until < :now AND id <> :asking
ORDER BY lease_until
LIMIT 20;

-- name: alive
SELECT /* columns(node_process) */ FROM rota_node WHERE lost_at IS NULL AND stopped_at IS NULL;

-- name: by_host
-- What the nodes of each host have in common, and when the last of them went: never, where one is alive.
SELECT host, queues, owner, release_id,
    CASE WHEN count(*) = count(coalesce(stopped_at, lost_at)) THEN max(coalesce(stopped_at, lost_at)) END,
    max(CASE WHEN coalesce(stopped_at, lost_at) IS NULL THEN lease_until ELSE 0 END)
FROM rota_node
WHERE CAST(:host AS TEXT) IS NULL OR host = :host
GROUP BY host, queues, owner, release_id;

-- name: lose
-- Compare-and-set: from here on the node's results are refused.
UPDATE rota_node SET lost_at = :now
WHERE id = :id AND lost_at IS NULL AND stopped_at IS NULL AND lease_until <= :lease_until;

-- name: gone_with_runs
-- Lost nodes that a rescue was cut short on, and stopped ones that left something behind.
SELECT DISTINCT node.id FROM rota_node AS node JOIN rota_run AS run ON run.node = node.id AND run.state = 'running'
WHERE node.lost_at IS NOT NULL OR node.stopped_at IS NOT NULL;

-- name: stop
UPDATE rota_node SET stopped_at = :now, running = 0, slots_busy = 0 WHERE id = :id AND stopped_at IS NULL;

-- name: drain
UPDATE rota_node SET draining_at = :now WHERE id = :id AND draining_at IS NULL AND stopped_at IS NULL AND lost_at IS NULL;

-- name: all
SELECT /* columns(node) */ FROM rota_node
WHERE (stopped_at IS NULL AND lost_at IS NULL) OR coalesce(stopped_at, lost_at) > :gone_after
ORDER BY started_at DESC
LIMIT :limit;

-- name: save_duties
INSERT INTO rota_duty (node, name, ticked_at, failed_at, error, patience, unable)
SELECT :node, name, ticked_at, failed_at, error, patience, unable
FROM /* rows(name text, ticked_at bigint, failed_at bigint, error text, patience bigint, unable text) */ AS new
WHERE true
ON CONFLICT (node, name) DO UPDATE SET ticked_at = excluded.ticked_at, failed_at = excluded.failed_at, error = excluded.error,
    patience = excluded.patience, unable = excluded.unable;

-- name: duties
SELECT /* columns(duty) */ FROM rota_duty
WHERE node IN (SELECT id FROM rota_node WHERE stopped_at IS NULL)
ORDER BY node, name;

-- name: prune
DELETE FROM rota_node AS node WHERE coalesce(stopped_at, lost_at) < :before
  AND NOT EXISTS (SELECT 1 FROM rota_run AS run WHERE run.node = node.id AND run.state = 'running');

-- name: prune_duties
DELETE FROM rota_duty AS duty WHERE NOT EXISTS (SELECT 1 FROM rota_node AS node WHERE node.id = duty.node);

-- name: save_blocking
UPDATE rota_node SET blocking = :blocking WHERE id = :id;

-- name: get
SELECT /* columns(node) */ FROM rota_node WHERE id = :id;
