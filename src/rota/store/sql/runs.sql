-- name: insert
-- New runs, all of them.
INSERT INTO run (job, queue, state, due_at, created_at, arguments, priority, asked_by, mode, schedule, fire_id,
                 fire_due_at, batch_id, unique_key, unique_until, limit_key, limit_count, rate_key, as_of)
SELECT job, queue, state, due_at, created_at, arguments, priority, asked_by, mode, schedule, fire_id,
       fire_due_at, batch_id, unique_key, unique_until, limit_key, limit_count, rate_key, as_of
FROM /* rows(job text, queue text, state text, due_at bigint, created_at bigint, arguments text, priority bigint, asked_by text, mode text, schedule text, fire_id bigint, fire_due_at bigint, batch_id bigint, unique_key text, unique_until text, limit_key text, limit_count bigint, rate_key text, as_of bigint) */ AS new
WHERE true
ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running') DO NOTHING
RETURNING id, unique_key;

-- name: insert_alike
-- Many runs that differ in their arguments only, and in the limit that these lead to.
INSERT INTO run (job, queue, state, due_at, created_at, arguments, priority, asked_by, mode, batch_id,
                 limit_key, limit_count, rate_key)
SELECT :job, :queue, :state, CAST(:due_at AS BIGINT), CAST(:created_at AS BIGINT), arguments,
       CAST(:priority AS BIGINT), :asked_by, :mode, CAST(:batch_id AS BIGINT), limit_key,
       CAST(:limit_count AS BIGINT), :rate_key
FROM /* rows(arguments text, limit_key text) */ AS new
RETURNING id;

-- name: insert_one
-- The same for one run: the shorter way for whoever waits for it.
INSERT INTO run (job, queue, state, due_at, created_at, arguments, priority, asked_by, mode, schedule, fire_id,
                 fire_due_at, batch_id, unique_key, unique_until, limit_key, limit_count, rate_key, as_of)
VALUES (:job, :queue, :state, :due_at, :created_at, :arguments, :priority, :asked_by, :mode, :schedule, :fire_id,
        :fire_due_at, :batch_id, :unique_key, :unique_until, :limit_key, :limit_count, :rate_key, :as_of)
ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running') DO NOTHING
RETURNING id;

-- name: debounce
-- Let the waiting run of a key wait on, with the newest arguments.
UPDATE run SET due_at = :due_at, state = 'scheduled', arguments = :arguments, held_by = NULL, held_until = NULL
WHERE unique_key = :unique_key AND state IN ('scheduled', 'available') AND attempt = 0
RETURNING id;

-- name: by_unique_key
SELECT id FROM run WHERE unique_key = :unique_key AND state IN ('scheduled', 'available', 'running');

-- name: stage
-- Runs that have come due, and held ones whose time is up, become claimable.
UPDATE run SET state = 'available', staged_at = :now
WHERE id IN (
    SELECT id FROM run WHERE state = 'scheduled' AND due_at <= :now ORDER BY due_at LIMIT :limit /* skip locked */
)
RETURNING queue;

-- name: next_due
SELECT min(due_at) FROM run WHERE state = 'scheduled';

-- name: claim
-- Runs without limits of their own: no lock but the rows'. Suspects (see the rescuer) are claimed alone. Whoever claims
-- may have looked at the queue a moment ago: that it was paused or limited since is seen here. Jobs that the node met
-- and does not know are left for those who do.
WITH picked AS MATERIALIZED (
    SELECT id FROM run
    WHERE state = 'available' AND queue = :queue AND held_by IS NULL AND limit_key IS NULL AND rate_key IS NULL
      AND suspected < 2 AND job NOT IN (SELECT avoided FROM /* rows(avoided text) */ AS unknown)
      AND NOT EXISTS (SELECT 1 FROM queue WHERE name = :queue
                      AND (paused_at IS NOT NULL OR concurrency IS NOT NULL OR rate IS NOT NULL))
    ORDER BY priority, due_at, id
    LIMIT :limit
    /* skip locked */
)
UPDATE run SET state = 'running', attempt = attempt + 1, node = :node, started_at = :now,
    as_of = coalesce(as_of, :now),
    unique_key = CASE WHEN unique_until = 'start' THEN NULL ELSE unique_key END
FROM picked WHERE run.id = picked.id
RETURNING run.id, job, attempt, arguments, queue, due_at, as_of, failures, checkpoint, limit_key, batch_id, schedule,
    fire_due_at, asked_by, mode, suspected, priority, cancel_by;

-- name: candidates
-- The head of a queue where some runs share limits; or its suspects.
SELECT id, job, limit_key, limit_count, rate_key FROM run
WHERE state = 'available' AND queue = :queue AND held_by IS NULL AND (suspected >= 2) = (CAST(:suspects AS BIGINT) = 1)
  AND job NOT IN (SELECT avoided FROM /* rows(avoided text) */ AS unknown)
  AND NOT EXISTS (SELECT 1 FROM queue WHERE name = :queue AND paused_at IS NOT NULL)
ORDER BY priority, due_at, id
LIMIT :limit
/* skip locked */;

-- name: claim_chosen
UPDATE run SET state = 'running', attempt = attempt + 1, node = :node, started_at = :now,
    as_of = coalesce(as_of, :now),
    unique_key = CASE WHEN unique_until = 'start' THEN NULL ELSE unique_key END
FROM /* rows(chosen bigint) */ AS picked
WHERE run.id = picked.chosen
RETURNING id, job, attempt, arguments, queue, due_at, as_of, failures, checkpoint, limit_key, batch_id, schedule,
    fire_due_at, asked_by, mode, suspected, priority, cancel_by;

-- name: running_by_key
SELECT run.limit_key, count(*) FROM run
WHERE run.state = 'running' AND run.limit_key /* among(name text) */
GROUP BY run.limit_key;

-- name: running_in_queue
SELECT count(*) FROM run WHERE state = 'running' AND queue = :queue AND node IS NOT NULL;

-- name: hold
-- Set aside runs that may not start yet, so that nobody looks at them again before they may.
UPDATE run SET held_by = given.reason, held_until = given.until,
    held_since = coalesce(held_since, :now), held_for = coalesce(held_for, given.reason)
FROM /* rows(held bigint, reason text, until bigint) */ AS given
WHERE run.id = given.held AND run.state = 'available';

-- name: keys_with_held
-- Mostly nobody is held at all, and that is asked first, once.
SELECT asked.name FROM /* rows(name text) */ AS asked
WHERE (SELECT 1 FROM run WHERE held_by IS NOT NULL ORDER BY held_until LIMIT 1) = 1
  AND (SELECT 1 FROM run WHERE run.limit_key = asked.name AND run.held_by IS NOT NULL
       ORDER BY priority, due_at, id LIMIT 1) = 1;

-- name: release_key
-- The next ones that wait for a shared limit may try.
UPDATE run SET held_by = NULL, held_until = NULL
WHERE id IN (
    SELECT id FROM run WHERE limit_key = :key AND held_by IS NOT NULL ORDER BY priority, due_at, id LIMIT :limit
    /* skip locked */
);

-- name: release_timed
UPDATE run SET held_by = NULL, held_until = NULL
WHERE id IN (
    SELECT id FROM run WHERE held_by IS NOT NULL AND held_until <= :now ORDER BY held_until LIMIT :limit /* skip locked */
)
RETURNING queue;

-- name: next_release
SELECT min(held_until) FROM run WHERE held_by IS NOT NULL;

-- name: succeed
-- Only the attempt that holds the run may end it. (By CASE, here and below: PostgreSQL is to go by the id, and not to
-- look among all that are running.)
UPDATE run SET state = 'succeeded', started_at = done.started, finished_at = done.finished, result = done.value,
    error = NULL, peak_rss = done.rss, held_by = NULL, held_until = NULL
FROM /* rows(done_id bigint, fence bigint, started bigint, finished bigint, value text, rss bigint) */ AS done
WHERE run.id = done.done_id
  AND CASE WHEN run.attempt = done.fence THEN run.state = 'running' AND run.node = :node END
RETURNING id;

-- name: settle
-- Ends an attempt in any other way: failed, cancelled, tried again later, or handed back. There is no again for a run
-- that somebody asked to stop.
UPDATE run SET due_at = done.due, started_at = done.started,
    state = CASE WHEN done.finished IS NULL AND run.cancel_at IS NOT NULL THEN 'cancelled' ELSE done.new_state END,
    finished_at = coalesce(done.finished, CASE WHEN run.cancel_at IS NOT NULL THEN CAST(:now AS BIGINT) END),
    result = NULL, error = done.error_text, failures = done.failure_count,
    peak_rss = coalesce(done.rss, peak_rss), held_by = NULL, held_until = NULL,
    node = CASE WHEN done.finished IS NULL AND run.cancel_at IS NULL THEN NULL ELSE node END
FROM /* rows(done_id bigint, fence bigint, new_state text, due bigint, started bigint, finished bigint, error_text text, failure_count bigint, rss bigint) */ AS done
WHERE run.id = done.done_id
  AND CASE WHEN run.attempt = done.fence THEN run.state = 'running' AND run.node = :node END
RETURNING id, state;

-- name: cancel_requests
SELECT id, attempt, cancel_by FROM run WHERE node = :node AND state = 'running' AND cancel_at IS NOT NULL;

-- name: held_by_node
-- What the ledger says this node is running.
SELECT id, attempt FROM run WHERE node = :node AND state = 'running';

-- name: save_progress
UPDATE run SET progress_done = given.done, progress_total = given.total, peak_rss = given.rss
FROM /* rows(run_id bigint, fence bigint, done bigint, total bigint, rss bigint) */ AS given
WHERE run.id = given.run_id
  AND CASE WHEN run.attempt = given.fence THEN run.state = 'running' AND run.node = :node END;

-- name: save_checkpoint
-- Guarded like a result: an attempt that lost its run may not move the run's place.
UPDATE run SET checkpoint = :checkpoint
WHERE id = :id AND attempt = :attempt AND state = 'running' AND node = :node;

-- name: hold_attempt
-- Whether an attempt still has its run, which then nobody takes from it before the transaction ends.
SELECT id FROM run WHERE id = :id AND attempt = :attempt AND state = 'running' AND node = :node
/* for update */;

-- name: active_by_key
-- For the overlap policy: what is running, and what waits, under each key.
SELECT run.limit_key, run.state, count(*) FROM run
WHERE run.state IN ('scheduled', 'available', 'running')
  AND run.limit_key /* among(name text) */
GROUP BY run.limit_key, run.state;

-- name: active_by_schedule
SELECT run.schedule, run.state, count(*) FROM run
WHERE run.schedule IS NOT NULL AND run.state IN ('scheduled', 'available', 'running')
  AND run.schedule /* among(name text) */
GROUP BY run.schedule, run.state;

-- name: request_cancel_by_key
UPDATE run SET cancel_at = :now, cancel_by = :by
WHERE limit_key = :key AND state = 'running' AND cancel_at IS NULL
RETURNING id;

-- name: request_cancel_by_schedule
UPDATE run SET cancel_at = :now, cancel_by = :by
WHERE schedule = :key AND state = 'running' AND cancel_at IS NULL
RETURNING id;

-- name: cancel_waiting_by_key
UPDATE run SET state = 'cancelled', finished_at = :now, error = :reason, held_by = NULL, held_until = NULL
WHERE limit_key = :key AND state IN ('scheduled', 'available')
RETURNING id, batch_id;

-- name: cancel_waiting_by_schedule
UPDATE run SET state = 'cancelled', finished_at = :now, error = :reason, held_by = NULL, held_until = NULL
WHERE schedule = :key AND state IN ('scheduled', 'available')
RETURNING id, batch_id;

-- name: lock
SELECT id FROM run WHERE id = :id
/* for update */;

-- name: close
-- A run that waits, or a dead letter.
UPDATE run SET state = 'cancelled', finished_at = :now, cancel_at = :now, cancel_by = :by, held_by = NULL, held_until = NULL
WHERE id = :id AND state IN ('scheduled', 'available', 'failed')
RETURNING id;

-- name: request_cancel
-- Who asks again changes nothing: the first one was told that it will stop.
UPDATE run SET cancel_at = coalesce(cancel_at, :now), cancel_by = coalesce(cancel_by, :by)
WHERE id = :id AND state = 'running'
RETURNING id;

-- name: retry
-- A person's retry: the counts start again, the attempt number never does. Not while another run holds its key.
UPDATE run SET state = 'available', due_at = :now, failures = 0, crashes = 0, suspected = 0, node = NULL,
    started_at = NULL, finished_at = NULL, error = NULL, cancel_at = NULL, cancel_by = NULL
WHERE id = :id AND state IN ('failed', 'cancelled')
  AND NOT EXISTS (SELECT 1 FROM run AS other
                  WHERE other.unique_key = run.unique_key AND other.state IN ('scheduled', 'available', 'running'))
RETURNING id, queue;

-- name: lost
-- What a lost node left running.
SELECT id, job, attempt, crashes, suspected, started_at, limit_key, batch_id, cancel_at, cancel_by FROM run
WHERE node = :node AND state = 'running'
ORDER BY id
LIMIT :limit
/* for update */;

-- name: rescue
UPDATE run SET state = given.new_state, crashes = given.crash_count, suspected = given.suspicions,
    finished_at = given.finished, error = given.error_text,
    node = CASE WHEN given.finished IS NULL THEN NULL ELSE run.node END
FROM /* rows(run_id bigint, fence bigint, new_state text, crash_count bigint, suspicions bigint, finished bigint, error_text text) */ AS given
WHERE run.id = given.run_id AND CASE WHEN run.attempt = given.fence THEN run.state = 'running' END
RETURNING id;

-- name: hand_back
-- Claimed and not begun: as if it had never been claimed, but for the attempt number.
UPDATE run SET state = 'available', node = NULL, started_at = NULL
FROM /* rows(run_id bigint, fence bigint) */ AS given
WHERE run.id = given.run_id
  AND CASE WHEN run.attempt = given.fence THEN run.state = 'running' AND run.node = :node END;

-- name: get
SELECT id, job, queue, state, priority, due_at, created_at, arguments, attempt, failures, crashes, suspected, asked_by, mode,
    schedule, fire_due_at, batch_id, unique_key, limit_key, limit_count, rate_key, held_by, held_until, node, as_of,
    started_at, finished_at, cancel_at, cancel_by, progress_done, progress_total, checkpoint, result, error, peak_rss
FROM run WHERE id = :id;

-- name: page
-- Newest first, from a cursor.
SELECT id, job, queue, state, priority, due_at, created_at, arguments, attempt, failures, crashes, suspected, asked_by, mode,
    schedule, fire_due_at, batch_id, unique_key, limit_key, limit_count, rate_key, held_by, held_until, node, as_of,
    started_at, finished_at, cancel_at, cancel_by, progress_done, progress_total, checkpoint, result, error, peak_rss
FROM run
WHERE (CAST(:state AS TEXT) IS NULL OR state = :state)
  AND (CAST(:job AS TEXT) IS NULL OR job = :job)
  AND (CAST(:queue AS TEXT) IS NULL OR queue = :queue)
  AND (CAST(:schedule AS TEXT) IS NULL OR schedule = :schedule)
  AND (CAST(:before AS BIGINT) IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :limit;

-- name: failed_page
-- The dead letters, newest first; the partial index serves them whatever else the table holds.
SELECT id, job, queue, state, priority, due_at, created_at, arguments, attempt, failures, crashes, suspected, asked_by, mode,
    schedule, fire_due_at, batch_id, unique_key, limit_key, limit_count, rate_key, held_by, held_until, node, as_of,
    started_at, finished_at, cancel_at, cancel_by, progress_done, progress_total, checkpoint, result, error, peak_rss
FROM run
WHERE state = 'failed' AND (CAST(:job AS TEXT) IS NULL OR job = :job) AND (CAST(:before AS BIGINT) IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :limit;

-- name: ahead
-- How many would be claimed before this one.
SELECT count(*) FROM (
    SELECT other.id FROM run AS other, run AS this
    WHERE this.id = :id AND other.state = 'available' AND other.held_by IS NULL AND other.queue = this.queue
      AND (other.priority < this.priority
           OR (other.priority = this.priority AND (other.due_at < this.due_at
               OR (other.due_at = this.due_at AND other.id < this.id))))
    LIMIT :limit
) AS counted;

-- name: window
-- A stretch of the oldest runs, for the pruner to judge.
SELECT id, state, created_at, finished_at FROM run WHERE id > :after ORDER BY id LIMIT :limit;

-- name: delete
DELETE FROM run WHERE id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);

-- name: delete_attempts
DELETE FROM attempt WHERE run_id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);

-- name: delete_logs
DELETE FROM log WHERE run_id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);

-- name: add_attempts
INSERT INTO attempt (run_id, number, node, started_at, finished_at, outcome, error, traceback)
SELECT run_id, number, node, started_at, finished_at, outcome, error, traceback
FROM /* rows(run_id bigint, number bigint, node text, started_at bigint, finished_at bigint, outcome text, error text, traceback text) */ AS new
WHERE true
ON CONFLICT (run_id, number) DO NOTHING;

-- name: attempts
SELECT number, node, started_at, finished_at, outcome, error, traceback FROM attempt WHERE run_id = :id ORDER BY number;

-- name: save_logs
INSERT INTO log (run_id, attempt, lines)
SELECT run_id, attempt, lines FROM /* rows(run_id bigint, attempt bigint, lines text) */ AS new
WHERE true
ON CONFLICT (run_id, attempt) DO UPDATE SET lines = excluded.lines;

-- name: logs
SELECT attempt, lines FROM log WHERE run_id = :id ORDER BY attempt;

-- name: add_batch
INSERT INTO batch (parent_run_id, job, total, then_job, then_arguments, created_at)
VALUES (:parent_run_id, :job, :total, :then_job, :then_arguments, :now)
RETURNING id;

-- name: count_batch
UPDATE batch SET succeeded = succeeded + given.good, failed = failed + given.bad, cancelled = cancelled + given.given_up
FROM /* rows(batch bigint, good bigint, bad bigint, given_up bigint) */ AS given
WHERE batch.id = given.batch;

-- name: complete_batches
-- Compare-and-set: whoever sets the moment runs what comes next.
UPDATE batch SET finished_at = :now
WHERE finished_at IS NULL AND succeeded + failed + cancelled >= total
RETURNING id, job, total, succeeded, failed, cancelled, then_job, then_arguments, parent_run_id;

-- name: prune_batches
DELETE FROM batch WHERE id IN (SELECT id FROM batch WHERE finished_at < :before ORDER BY id LIMIT :limit);

-- name: batch
SELECT id, job, total, succeeded, failed, cancelled, created_at, finished_at FROM batch WHERE id = :id;

-- name: held_keys
-- Shared limits that somebody waits for.
SELECT limit_key, max(limit_count), count(*) FROM run WHERE held_by IS NOT NULL AND limit_key IS NOT NULL GROUP BY limit_key;

-- name: ripe_batch
SELECT id FROM batch WHERE finished_at IS NULL AND succeeded + failed + cancelled >= total LIMIT 1;
