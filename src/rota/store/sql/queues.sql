-- name: ensure
INSERT INTO rota_queue (name) SELECT name FROM /* rows(name text) */ AS new WHERE true
ON CONFLICT (name) DO NOTHING;

-- name: survey
-- The queues that are open, once for any host and once for one: whether they have work, and whether some of it is limited. (Not by EXISTS: PostgreSQL would
-- make a join of it, and read every waiting run.)
SELECT name, lane.host, concurrency, rate,
    (SELECT 1 FROM rota_run AS run WHERE run.queue = queue.name AND run.host = lane.host AND run.state = 'available' AND run.held_by IS NULL LIMIT 1) AS work,
    (SELECT 1 FROM rota_run AS run WHERE run.queue = queue.name AND run.host = lane.host AND run.state = 'available' AND run.held_by IS NULL
     AND run.limit_key IS NOT NULL LIMIT 1) AS limited,
    (SELECT 1 FROM rota_run AS run WHERE run.queue = queue.name AND run.host = lane.host AND run.state = 'available' AND run.held_by IS NULL
     AND run.suspected >= 2 LIMIT 1) AS suspects
FROM rota_queue AS queue CROSS JOIN (SELECT '' AS host UNION ALL SELECT CAST(:host AS TEXT)) AS lane
WHERE paused_at IS NULL
ORDER BY name, lane.host;

-- name: all
SELECT /* columns(queue) */ FROM rota_queue ORDER BY name;

-- name: get
SELECT /* columns(queue) */ FROM rota_queue WHERE name = :name;

-- name: waiting
-- Counted up to a cap: a page must not scan a million rows.
SELECT count(*), min(due_at) FROM (
    SELECT due_at FROM rota_run WHERE queue = :name AND state = 'available' AND held_by IS NULL LIMIT :cap
) AS head;

-- name: waiting_of
-- The same of some jobs, for any host.
SELECT count(*), min(due_at) FROM (
    SELECT run.due_at FROM /* rows(asked text) */ AS given, rota_run AS run
    WHERE run.job = given.asked AND run.queue = :name AND run.host = '' AND run.state = 'available' AND run.held_by IS NULL LIMIT :cap
) AS head;

-- name: held
SELECT count(*) FROM (SELECT 1 FROM rota_run WHERE held_by IS NOT NULL AND queue = :name LIMIT :cap) AS head;

-- name: running
SELECT queue, count(*) FROM rota_run WHERE state = 'running' GROUP BY queue;

-- name: scheduled
SELECT queue, count(*) FROM (SELECT queue FROM rota_run WHERE state = 'scheduled' LIMIT :cap) AS head GROUP BY queue;

-- name: pause
UPDATE rota_queue SET paused_at = :now, paused_by = :by, paused_why = :why WHERE name = :name AND paused_at IS NULL;

-- name: resume
UPDATE rota_queue SET paused_at = NULL, paused_by = NULL, paused_why = NULL WHERE name = :name AND paused_at IS NOT NULL;

-- name: limit
UPDATE rota_queue SET concurrency = :concurrency, rate = :rate WHERE name = :name;

-- name: lock_limits
SELECT term FROM rota_lease WHERE name = 'rota:limits'
/* for update */;

-- name: buckets
SELECT name, full_at FROM rota_bucket WHERE name /* among(name text) */;

-- name: not_full
SELECT name, full_at FROM rota_bucket WHERE full_at > :now;

-- name: save_buckets
INSERT INTO rota_bucket (name, full_at) SELECT name, full_at FROM /* rows(name text, full_at bigint) */ AS new
WHERE true
ON CONFLICT (name) DO UPDATE SET full_at = excluded.full_at;
