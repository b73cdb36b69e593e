-- name: declare
-- A release that was there before keeps its number: to start it again makes it no newer.
INSERT INTO rota_release (id, owner, jobs, schedules, alone_at)
VALUES (:id, :owner, :jobs, :schedules, CAST(:alone_at AS BIGINT))
ON CONFLICT (id) DO UPDATE SET alone_at = excluded.alone_at, gone_at = NULL
RETURNING number, said_at;

-- name: said
UPDATE rota_release SET said_at = CASE WHEN id = :id THEN CAST(:now AS BIGINT) END WHERE owner = :owner;

-- name: unsay
UPDATE rota_release SET said_at = NULL WHERE owner /* among(changed text) */ AND said_at IS NOT NULL;

-- name: living
-- Those that a node works by, and those that a process without a node declared a short while ago.
SELECT /* columns(release) */
FROM (SELECT known.*, (SELECT min(node.id) FROM rota_node AS node
                       WHERE node.release_id = known.id AND node.stopped_at IS NULL AND node.lost_at IS NULL) AS node
      FROM rota_release AS known WHERE owner = :owner) AS release
WHERE node IS NOT NULL OR alone_at > :alone_after
ORDER BY number;

-- name: working
SELECT id, jobs FROM rota_release AS release
WHERE EXISTS (SELECT 1 FROM rota_node AS node
              WHERE node.release_id = release.id AND node.stopped_at IS NULL AND node.lost_at IS NULL);

-- name: unsettled
-- One whose last node is gone, while what it said may still be in force.
SELECT id FROM rota_release AS release
WHERE owner = :owner AND id <> :but AND gone_at IS NULL AND coalesce(alone_at, 0) <= :alone_after
  AND NOT EXISTS (SELECT 1 FROM rota_node AS node
                  WHERE node.release_id = release.id AND node.stopped_at IS NULL AND node.lost_at IS NULL)
LIMIT 1;

-- name: settle
UPDATE rota_release AS release SET gone_at = :now
WHERE owner = :owner AND gone_at IS NULL AND coalesce(alone_at, 0) <= :alone_after
  AND NOT EXISTS (SELECT 1 FROM rota_node AS node
                  WHERE node.release_id = release.id AND node.stopped_at IS NULL AND node.lost_at IS NULL);

-- name: prune
DELETE FROM rota_release AS release
WHERE coalesce(alone_at, gone_at) < :before AND NOT EXISTS (SELECT 1 FROM rota_node AS node WHERE node.release_id = release.id);
