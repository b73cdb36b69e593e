-- name: record
-- One row for each due moment: whoever comes second inserts nothing.
INSERT INTO fire (schedule, due_at, kind, verdict, reason, through_at, moments, decided_at, node)
SELECT schedule, due_at, kind, verdict, reason, through_at, moments, :now, :node
FROM /* rows(schedule text, due_at bigint, kind text, verdict text, reason text, through_at bigint, moments bigint) */ AS new
WHERE true
ON CONFLICT (schedule, due_at, kind) DO NOTHING
RETURNING id, schedule, due_at;

-- name: page
SELECT fire.id, fire.schedule, fire.due_at, fire.kind, fire.verdict, fire.reason, fire.through_at, fire.moments,
    fire.decided_at, fire.node, run.id
FROM fire LEFT JOIN run ON run.fire_id = fire.id
WHERE fire.schedule = :schedule AND (CAST(:before AS BIGINT) IS NULL OR fire.due_at < :before)
ORDER BY fire.due_at DESC
LIMIT :limit;

-- name: at
-- The verdict on a moment, also where it stands within a range.
SELECT fire.id, fire.schedule, fire.due_at, fire.kind, fire.verdict, fire.reason, fire.through_at, fire.moments,
    fire.decided_at, fire.node, run.id
FROM fire LEFT JOIN run ON run.fire_id = fire.id
WHERE fire.schedule = :schedule AND fire.due_at <= :moment AND coalesce(fire.through_at, fire.due_at) >= :moment
ORDER BY fire.due_at DESC, fire.kind
LIMIT 5;

-- name: prune
DELETE FROM fire WHERE id IN (SELECT id FROM fire WHERE decided_at < :before ORDER BY decided_at LIMIT :limit);

