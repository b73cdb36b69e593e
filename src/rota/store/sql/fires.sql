-- name: add
-- One row for each due moment: whoever comes second inserts nothing.
INSERT INTO rota_fire (/* columns(new_fire) */, decided_at, node)
SELECT /* columns(new_fire) */, :now, :node FROM /* rows(new_fire) */ AS new
WHERE true
ON CONFLICT (schedule, due_at, kind) DO NOTHING
RETURNING id, schedule, due_at;

-- name: page
SELECT /* columns(fire) */
FROM (SELECT fire.*, (SELECT min(run.id) FROM rota_run AS run WHERE run.fire_id = fire.id) AS run_id,
          (SELECT count(*) FROM rota_run AS run WHERE run.fire_id = fire.id) AS runs
      FROM rota_fire AS fire) AS fire
WHERE schedule = :schedule AND (CAST(:before AS BIGINT) IS NULL OR due_at < :before)
ORDER BY due_at DESC
LIMIT :limit;

-- name: at
-- The verdict on a moment, also where it stands within a range.
SELECT /* columns(fire) */
FROM (SELECT fire.*, (SELECT min(run.id) FROM rota_run AS run WHERE run.fire_id = fire.id) AS run_id,
          (SELECT count(*) FROM rota_run AS run WHERE run.fire_id = fire.id) AS runs
      FROM rota_fire AS fire) AS fire
WHERE schedule = :schedule AND due_at <= :moment AND coalesce(through_at, due_at) >= :moment
ORDER BY due_at DESC, kind
LIMIT 5;

-- name: of_run
SELECT /* columns(fire) */
FROM (SELECT fire.*, run.id AS run_id, (SELECT count(*) FROM rota_run WHERE fire_id = fire.id) AS runs
      FROM rota_run AS run JOIN rota_fire AS fire ON fire.id = run.fire_id) AS fire
WHERE run_id = :run_id;

-- name: states
SELECT state, count(*) FROM rota_run WHERE fire_id = :fire_id GROUP BY state ORDER BY state;

-- name: prune
DELETE FROM rota_fire WHERE id IN (SELECT id FROM rota_fire WHERE decided_at < :before ORDER BY decided_at LIMIT :limit);
