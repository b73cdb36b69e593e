-- name: due
-- Due schedules of jobs that the asking node knows, most overdue first, held until the tick commits.
SELECT /* columns(due_schedule) */ FROM rota_schedule
WHERE next_due_at <= :now AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
  AND job /* among(known text) */
ORDER BY next_due_at
LIMIT :limit
/* skip locked */;

-- name: next_due
-- Of jobs that the asking node knows: one of another's, overdue for ever, is not to keep it awake.
SELECT min(next_due_at) FROM rota_schedule
WHERE next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
  AND job /* among(known text) */;

-- name: advance
-- The watermark never goes back, so that no moment is judged twice.
UPDATE rota_schedule AS schedule SET watermark = CASE WHEN given.mark > watermark THEN given.mark ELSE watermark END, next_due_at = given.next
FROM /* rows(advanced text, mark bigint, next bigint) */ AS given
WHERE schedule.name = given.advanced AND given.mark >= schedule.watermark;

-- name: insert
INSERT INTO rota_schedule (/* columns(new_schedule) */)
SELECT /* columns(new_schedule) */ FROM /* rows(new_schedule) */ AS new
WHERE true
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: page
SELECT /* columns(schedule) */ FROM rota_schedule
WHERE removed_at IS NULL AND (CAST(:job AS TEXT) IS NULL OR job = :job) AND (CAST(:after AS TEXT) IS NULL OR name > :after)
ORDER BY name
LIMIT :limit;

-- name: declared_by
-- Everything an application's code has ever declared, removed or not.
SELECT /* columns(schedule) */ FROM rota_schedule WHERE owner = :owner;

-- name: lock
SELECT /* columns(schedule) */ FROM rota_schedule WHERE name = :name
/* for update */;

-- name: get
SELECT /* columns(schedule) */ FROM rota_schedule WHERE name = :name;

-- name: change
UPDATE rota_schedule SET job = :job, definition = :definition, declared = :declared, owner = :owner, watermark = :watermark,
    next_due_at = :next_due_at, edited_at = :edited_at, edited_by = :edited_by, removed_at = NULL
WHERE name = :name;

-- name: pause
UPDATE rota_schedule SET paused_at = :now, paused_by = :by, paused_why = :why
WHERE name = :name AND paused_at IS NULL AND removed_at IS NULL;

-- name: resume
UPDATE rota_schedule SET paused_at = NULL, paused_by = NULL, paused_why = NULL, watermark = :watermark, next_due_at = :next_due_at
WHERE name = :name AND paused_at IS NOT NULL;

-- name: remove
UPDATE rota_schedule SET removed_at = :now, next_due_at = NULL WHERE name = :name AND removed_at IS NULL;

-- name: count
SELECT count(*) FROM rota_schedule WHERE removed_at IS NULL;

-- name: count_overdue
-- Due longer ago than anybody should need.
SELECT count(*) FROM rota_schedule
WHERE next_due_at < :before AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL;

-- name: overdue
-- Schedules that were due before a moment, most overdue first.
SELECT /* columns(schedule) */ FROM rota_schedule
WHERE next_due_at < :before AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
ORDER BY next_due_at
LIMIT :limit;

-- name: paused
SELECT /* columns(schedule) */ FROM rota_schedule
WHERE paused_at IS NOT NULL AND removed_at IS NULL
ORDER BY paused_at DESC
LIMIT :limit;

-- name: judged_ahead
-- Schedules that are judged up to a moment that has not come yet.
SELECT count(*), max(watermark) FROM rota_schedule WHERE watermark > :after AND removed_at IS NULL;
