-- name: due
-- Due schedules of jobs that the asking node knows, most overdue first, held until the tick commits.
SELECT name, job, definition, watermark, next_due_at FROM schedule
WHERE next_due_at <= :now AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
  AND job /* among(known text) */
ORDER BY next_due_at
LIMIT :limit
/* skip locked */;

-- name: next_due_of
-- Of jobs that the asking node knows: one of another's, overdue for ever, is not to keep it awake.
SELECT min(next_due_at) FROM schedule
WHERE next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL
  AND job /* among(known text) */;

-- name: advance
-- The watermark never goes back, so that no moment is judged twice.
UPDATE schedule SET watermark = CASE WHEN given.mark > watermark THEN given.mark ELSE watermark END, next_due_at = given.next
FROM /* rows(advanced text, mark bigint, next bigint) */ AS given
WHERE schedule.name = given.advanced AND given.mark >= schedule.watermark;

-- name: insert
INSERT INTO schedule (name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by)
SELECT name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by
FROM /* rows(name text, job text, definition text, declared text, owner text, watermark bigint, next_due_at bigint, created_at bigint, edited_at bigint, edited_by text) */ AS new
WHERE true
ON CONFLICT (name) DO NOTHING
RETURNING name;

-- name: all
SELECT name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by,
    paused_at, paused_by, paused_why, removed_at
FROM schedule
WHERE removed_at IS NULL AND (CAST(:job AS TEXT) IS NULL OR job = :job) AND (CAST(:after AS TEXT) IS NULL OR name > :after)
ORDER BY name
LIMIT :limit;

-- name: declared_by
-- Everything an application's code has ever declared, removed or not.
SELECT name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by,
    paused_at, paused_by, paused_why, removed_at
FROM schedule WHERE owner = :owner;

-- name: get
SELECT name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by,
    paused_at, paused_by, paused_why, removed_at
FROM schedule WHERE name = :name
/* for update */;

-- name: peek
SELECT name, job, definition, declared, owner, watermark, next_due_at, created_at, edited_at, edited_by,
    paused_at, paused_by, paused_why, removed_at
FROM schedule WHERE name = :name;

-- name: change
UPDATE schedule SET job = :job, definition = :definition, declared = :declared, owner = :owner, watermark = :watermark,
    next_due_at = :next_due_at, edited_at = :edited_at, edited_by = :edited_by, removed_at = NULL
WHERE name = :name;

-- name: pause
UPDATE schedule SET paused_at = :now, paused_by = :by, paused_why = :why
WHERE name = :name AND paused_at IS NULL AND removed_at IS NULL;

-- name: resume
UPDATE schedule SET paused_at = NULL, paused_by = NULL, paused_why = NULL, watermark = :watermark, next_due_at = :next_due_at
WHERE name = :name AND paused_at IS NOT NULL;

-- name: remove
UPDATE schedule SET removed_at = :now, next_due_at = NULL WHERE name = :name AND removed_at IS NULL;

-- name: count
SELECT count(*), count(paused_at) FROM schedule WHERE removed_at IS NULL;

-- name: overdue
-- Due longer ago than anybody should need.
SELECT count(*), min(next_due_at) FROM schedule
WHERE next_due_at < :before AND next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL;
