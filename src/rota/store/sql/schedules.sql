-- name: due
-- Due schedules of an application, most overdue first, held until the tick commits; but for those that the asking node
-- leaves to others.
SELECT /* columns(due_schedule) */ FROM rota_schedule
WHERE owner = :owner AND next_due_at <= :now AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
  AND (aside_until IS NULL OR aside_until <= :now)
  AND NOT coalesce(name /* among(left_out text) */, false)
ORDER BY next_due_at
LIMIT :limit
/* skip locked */;

-- name: due_among
-- The same of a few, where all together failed.
SELECT /* columns(due_schedule) */ FROM rota_schedule
WHERE name /* among(asked text) */ AND next_due_at <= :now AND paused_at IS NULL AND removed_at IS NULL
ORDER BY next_due_at
/* skip locked */;

-- name: set_aside
UPDATE rota_schedule SET aside_until = :until, aside_why = :why WHERE name = :name;

-- name: aside
SELECT /* columns(schedule) */ FROM rota_schedule WHERE aside_until IS NOT NULL AND removed_at IS NULL
ORDER BY aside_until DESC
LIMIT :limit;

-- name: next_due
-- One that the asking node leaves to others, overdue for ever, is not to keep it awake.
SELECT min(next_due_at) FROM rota_schedule
WHERE owner = :owner AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
  AND (aside_until IS NULL OR aside_until <= :now)
  AND NOT coalesce(name /* among(left_out text) */, false);

-- name: advance
-- The watermark never goes back, so that no moment is judged twice.
UPDATE rota_schedule AS schedule SET watermark = CASE WHEN given.mark > watermark THEN given.mark ELSE watermark END, next_due_at = given.next,
    aside_until = NULL, aside_why = NULL
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
SELECT name FROM rota_schedule WHERE owner = :owner AND declared IS NOT NULL AND removed_at IS NULL;

-- name: differing
-- What the code says that the ledger has not, or not like that. Most starts find nothing.
SELECT said_name, /* columns(schedule) */
FROM /* rows(said_name text, said text, off bigint) */ AS given LEFT JOIN rota_schedule AS schedule ON schedule.name = given.said_name
WHERE schedule.name IS NULL OR schedule.removed_at IS NOT NULL OR schedule.declared IS NULL OR schedule.declared <> given.said
   OR schedule.owner <> :owner
   OR CASE WHEN given.off = 1 THEN schedule.next_due_at IS NOT NULL ELSE schedule.next_due_at IS NULL AND schedule.paused_at IS NULL END;

-- name: among
SELECT /* columns(schedule) */ FROM rota_schedule WHERE name /* among(asked text) */;

-- name: hand_over
UPDATE rota_schedule SET owner = :owner WHERE job /* among(handed_over text) */ AND owner <> :owner;

-- name: lock
SELECT /* columns(schedule) */ FROM rota_schedule WHERE name = :name
/* for update */;

-- name: get
SELECT /* columns(schedule) */ FROM rota_schedule WHERE name = :name;

-- name: write
UPDATE rota_schedule AS schedule SET job = new.job, definition = new.definition, declared = new.declared, owner = new.owner,
    watermark = new.watermark, next_due_at = new.next_due_at, edited_at = new.edited_at, edited_by = new.edited_by,
    aside_until = NULL, aside_why = NULL, removed_at = NULL
FROM /* rows(schedule) */ AS new
WHERE schedule.name = new.name;

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

-- name: hold_runs
-- What a schedule that is paused has made and that has not begun; what a person asked for is not held.
UPDATE rota_run SET held_by = 'paused',
    held_since = coalesce(held_since, :now), held_for = coalesce(held_for, 'its schedule was paused')
WHERE schedule = :schedule AND state IN ('scheduled', 'available') AND asked_by = 'schedule:' || schedule;

-- name: hold_due
-- What comes due of schedules that are paused: a retry, for one, that was not there when they were.
UPDATE rota_run SET held_by = 'paused',
    held_since = coalesce(held_since, :now), held_for = coalesce(held_for, 'its schedule was paused')
WHERE state = 'scheduled' AND due_at <= :now AND asked_by = 'schedule:' || schedule
  AND schedule IN (SELECT name FROM rota_schedule WHERE paused_at IS NOT NULL);

-- name: held_runs
SELECT id, due_at, attempt, host FROM rota_run
WHERE schedule = :schedule AND state IN ('scheduled', 'available') AND held_by = 'paused'
ORDER BY fire_due_at, id;

-- name: release_runs
UPDATE rota_run SET held_by = NULL
WHERE schedule = :schedule AND state IN ('scheduled', 'available') AND held_by = 'paused';

-- name: give_up_runs
UPDATE rota_run SET state = 'cancelled', finished_at = :now, error = :reason, held_by = NULL
WHERE id /* among(given_up bigint) */ AND state IN ('scheduled', 'available')
RETURNING id, batch_id;
