-- name: insert
-- New runs, all of them.
INSERT INTO rota_run (/* columns(new_run) */)
SELECT /* columns(new_run) */ FROM /* rows(new_run) */ AS new
WHERE true
ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running', 'waiting') DO NOTHING
RETURNING id, unique_key;

-- name: insert_alike
-- Many runs that differ in their arguments only, and in the limit that these lead to.
INSERT INTO rota_run (job, queue, state, due_at, created_at, arguments, priority, priority_us, asked_by, mode,
                 batch_id, fire_due_at, as_of, expires_at, limit_key, held_by, held_for, held_since)
SELECT :job, :queue, :state, CAST(:due_at AS BIGINT), CAST(:created_at AS BIGINT), arguments,
       CAST(:priority AS BIGINT), CAST(:priority_us AS BIGINT), :asked_by, :mode, CAST(:batch_id AS BIGINT),
       CAST(:fire_due_at AS BIGINT), CAST(:as_of AS BIGINT), CAST(:expires_at AS BIGINT), limit_key,
       held, held, CASE WHEN held IS NOT NULL THEN CAST(:created_at AS BIGINT) END
FROM /* rows(arguments text, limit_key text, held text) */ AS new
RETURNING id;

-- name: insert_one
-- The same for one run: the shorter way for whoever waits for it.
INSERT INTO rota_run (/* columns(new_run) */) VALUES (/* parameters(new_run) */)
ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running', 'waiting') DO NOTHING
RETURNING id;

-- name: debounce
-- Let the waiting run of a key wait on, with the newest arguments.
UPDATE rota_run SET due_at = :due_at, expires_at = :expires_at, state = 'scheduled', arguments = :arguments,
    limit_key = :limit_key, held_by = NULL
WHERE unique_key = :unique_key AND state IN ('scheduled', 'available') AND attempt = 0
RETURNING id;

-- name: by_unique_keys
-- Who holds them, but for what can begin no more.
SELECT run.id, run.unique_key FROM rota_run AS run
WHERE run.unique_key IS NOT NULL AND run.state IN ('scheduled', 'available', 'running', 'waiting')
  AND (run.expires_at IS NULL OR run.expires_at > :now OR run.state = 'running')
  AND run.unique_key /* among(name text) */;

-- name: free_keys
-- What can begin no more, and waits only for a stager to say so, keeps no other from its key.
UPDATE rota_run AS run SET unique_key = NULL
WHERE run.unique_key IS NOT NULL AND run.state IN ('scheduled', 'available') AND run.expires_at <= :now
  AND run.unique_key /* among(name text) */;

-- name: stage
-- Runs that have come due become claimable.
UPDATE rota_run SET state = 'available', staged_at = :now
WHERE id IN (
    SELECT id FROM rota_run WHERE state = 'scheduled' AND due_at <= :now ORDER BY due_at LIMIT :limit /* skip locked */
)
RETURNING id, CASE WHEN held_by IS NULL THEN limit_key END, queue, job, host;

-- name: expire
-- What has not begun in time ends, also where it is held. Of a queue's pause its runs know nothing: the queue is asked.
UPDATE rota_run SET state = 'expired', finished_at = :now, error = :reason, held_by = NULL
WHERE id IN (
    SELECT id FROM rota_run WHERE expires_at IS NOT NULL AND state IN ('scheduled', 'available') AND expires_at <= :now
    ORDER BY expires_at LIMIT :limit /* skip locked */
)
RETURNING id, job, due_at, expires_at, limit_key, batch_id,
    CASE WHEN EXISTS (SELECT 1 FROM rota_queue WHERE name = queue AND paused_at IS NOT NULL)
        THEN 'its queue was paused' ELSE held_for END;

-- name: kept
-- What waits for hosts: from one host, queue and job to the next by the index, past all runs of each.
WITH RECURSIVE kept(first) AS (
    SELECT (SELECT id FROM rota_run WHERE host <> '' AND state IN ('scheduled', 'available')
            ORDER BY host, queue, job LIMIT 1)
    UNION ALL
    SELECT coalesce(
        (SELECT run.id FROM rota_run AS run
         WHERE run.host <> '' AND run.state IN ('scheduled', 'available')
           AND run.host = (SELECT host FROM rota_run WHERE id = kept.first)
           AND run.queue = (SELECT queue FROM rota_run WHERE id = kept.first)
           AND run.job > (SELECT job FROM rota_run WHERE id = kept.first)
         ORDER BY run.job LIMIT 1),
        (SELECT run.id FROM rota_run AS run
         WHERE run.host <> '' AND run.state IN ('scheduled', 'available')
           AND run.host = (SELECT host FROM rota_run WHERE id = kept.first)
           AND run.queue > (SELECT queue FROM rota_run WHERE id = kept.first)
         ORDER BY run.queue, run.job LIMIT 1),
        (SELECT run.id FROM rota_run AS run
         WHERE run.host <> '' AND run.state IN ('scheduled', 'available')
           AND run.host > (SELECT host FROM rota_run WHERE id = kept.first)
         ORDER BY run.host, run.queue, run.job LIMIT 1))
    FROM kept WHERE kept.first IS NOT NULL
), named AS (
    SELECT (SELECT host FROM rota_run WHERE id = first) AS host, (SELECT queue FROM rota_run WHERE id = first) AS queue,
        (SELECT job FROM rota_run WHERE id = first) AS job
    FROM kept WHERE first IS NOT NULL
)
SELECT host, queue, job, (SELECT owner FROM rota_job WHERE name = job) FROM named;

-- name: expire_kept
-- What waits for a host that is gone ends, begun or not. What a person has just sent back has its time once more.
UPDATE rota_run SET state = 'expired', finished_at = :now, error = :reason, held_by = NULL
WHERE id IN (
    SELECT id FROM rota_run
    WHERE host <> '' AND host = :host AND queue = :queue AND job = :job AND state IN ('scheduled', 'available')
      AND (state = 'scheduled' OR due_at <= :due_before)
    LIMIT :limit /* skip locked */
)
RETURNING id, job, due_at, expires_at, limit_key, batch_id, held_for;

-- name: next_moment
-- When the next scheduled run is due, when the next one that waits expires, and when the next wait for a signal ends.
SELECT (SELECT min(due_at) FROM rota_run WHERE state = 'scheduled'),
    (SELECT min(expires_at) FROM rota_run WHERE expires_at IS NOT NULL AND state IN ('scheduled', 'available')),
    (SELECT min(waits_until) FROM rota_run WHERE state = 'waiting' AND waits_until IS NOT NULL);

-- name: wake
-- Of those that wait for a signal, the ones that have got it go on; not while their schedule is paused.
UPDATE rota_run AS run SET state = 'available', waits_for = NULL, keeps_place = NULL, resumed_at = :now,
    held_by = CASE WHEN run.asked_by = 'schedule:' || run.schedule AND EXISTS (
        SELECT 1 FROM rota_schedule AS schedule WHERE schedule.name = run.schedule AND schedule.paused_at IS NOT NULL)
        THEN 'paused' END
FROM /* rows(woken bigint) */ AS given JOIN rota_signal AS signal ON signal.run_id = given.woken
WHERE run.id = given.woken AND CASE WHEN signal.name = run.waits_for THEN run.state = 'waiting' END
RETURNING id, queue, job, host;

-- name: answered
-- Those that wait for a signal which is there: it was told in a transaction that did not see them begin to wait.
SELECT run.id FROM rota_run AS run JOIN rota_signal AS signal ON signal.run_id = run.id AND signal.name = run.waits_for
WHERE run.state = 'waiting'
ORDER BY run.id
LIMIT :limit;

-- name: waited_out
-- Those whose time to wait for a signal is up.
SELECT id, job, waits_for, waits_until FROM rota_run
WHERE state = 'waiting' AND waits_until IS NOT NULL AND waits_until <= :now
ORDER BY waits_until
LIMIT :limit
/* skip locked */;

-- name: waiting_jobs
-- The jobs that have something to claim in a queue, for one host or for any: from one to the next by the index, past all runs of each.
WITH RECURSIVE waiting(job) AS (
    SELECT (SELECT job FROM rota_run
            WHERE queue = :queue AND host = :host AND state = 'available' AND held_by IS NULL AND job > :after
            ORDER BY job LIMIT 1)
    UNION ALL
    SELECT (SELECT run.job FROM rota_run AS run
            WHERE run.queue = :queue AND run.host = :host AND run.state = 'available' AND run.held_by IS NULL
              AND run.job > waiting.job
            ORDER BY run.job LIMIT 1)
    FROM waiting WHERE waiting.job IS NOT NULL
)
SELECT job FROM waiting WHERE job IS NOT NULL LIMIT :limit;

-- name: some_limited
-- Whether some of what these jobs have to claim is under limits.
SELECT 1 FROM /* rows(name text) */ AS asked
WHERE (SELECT 1 FROM rota_run AS run WHERE run.queue = :queue AND run.host = :host AND run.job = asked.name
       AND run.state = 'available' AND run.held_by IS NULL AND run.limit_key IS NOT NULL LIMIT 1) = 1
LIMIT 1;

-- name: claim
-- Runs of one job without limits of their own: no lock but the rows'. Suspects (see the rescuer) are claimed apart.
-- The queue was looked at a moment ago: that it was paused or limited since is seen here.
WITH picked AS MATERIALIZED (
    SELECT id AS chosen FROM rota_run
    WHERE state = 'available' AND queue = :queue AND host = :host AND job = :job AND held_by IS NULL
      AND limit_key IS NULL AND suspected < 2 AND (expires_at IS NULL OR expires_at > :now)
      AND NOT EXISTS (SELECT 1 FROM rota_queue WHERE name = :queue
                      AND (paused_at IS NOT NULL OR concurrency IS NOT NULL OR rate IS NOT NULL))
    ORDER BY due_at + priority_us, id
    LIMIT :limit
    /* skip locked */
)
UPDATE rota_run AS run SET state = 'running', attempt = attempt + 1, node = :node, claim = :claim, started_at = :now,
    as_of = coalesce(as_of, :now),
    unique_key = CASE WHEN unique_until = 'start' THEN NULL ELSE unique_key END
FROM picked WHERE run.id = picked.chosen
RETURNING /* columns(claim) */;

-- name: claim_chosen
-- Those that had to wait for a rate are told since when, as those that were held are; some waited for both. Who came when
-- the rate allowed a start again did not wait for it.
UPDATE rota_run AS run SET state = 'running', attempt = attempt + 1, node = :node, claim = :claim, started_at = :now,
    as_of = coalesce(as_of, :now), limit_key = coalesce(picked.counted, limit_key),
    held_since = CASE WHEN held_since IS NOT NULL OR picked.since IS NULL
        OR coalesce(staged_at, created_at) >= picked.until THEN held_since
        WHEN picked.since > coalesce(staged_at, created_at) THEN picked.since ELSE coalesce(staged_at, created_at) END,
    held_for = CASE WHEN picked.since IS NULL OR coalesce(staged_at, created_at) >= picked.until
        OR held_for LIKE '%' || picked.reason THEN held_for
        ELSE coalesce(held_for || ', ', '') || picked.reason END,
    unique_key = CASE WHEN unique_until = 'start' THEN NULL ELSE unique_key END
FROM /* rows(chosen bigint, counted text, since bigint, until bigint, reason text) */ AS picked
WHERE run.id = picked.chosen
RETURNING /* columns(claim) */;

-- name: running_by_key
-- Who waits for a signal has given its place up, unless runs of its job must not overlap. (The first test is that of the
-- index.)
SELECT run.limit_key, count(*) FROM rota_run AS run
WHERE (run.state = 'running' OR run.keeps_place = 1 OR (run.state = 'available' AND run.held_by IS NULL))
  AND (run.state = 'running' OR run.keeps_place = 1)
  AND run.limit_key /* among(name text) */
GROUP BY run.limit_key;

-- name: places_taken
-- By shared limit: what has a place (as above), and what may be claimed in one queue, for one host or any, and goes before
-- a turn.
SELECT run.limit_key, count(*) FROM rota_run AS run
WHERE run.limit_key IS NOT NULL
  AND (run.state = 'running' OR run.keeps_place = 1 OR (run.state = 'available' AND run.held_by IS NULL))
  AND (run.state = 'running' OR run.keeps_place = 1
       OR (run.state = 'available' AND run.queue = :queue AND run.host = :host
           AND run.due_at + run.priority_us <= :turn))
  AND run.limit_key /* among(name text) */
GROUP BY run.limit_key;

-- name: running_in_queue
SELECT count(*) FROM rota_run WHERE state = 'running' AND queue = :queue AND node IS NOT NULL;

-- name: arguments
SELECT run.id, run.arguments FROM rota_run AS run WHERE run.id /* among(asked bigint) */;

-- name: hold
-- Set aside runs that may not start yet, so that nobody looks at them again before they may.
UPDATE rota_run AS run SET held_by = given.reason, limit_key = given.counted,
    held_since = coalesce(held_since, :now), held_for = coalesce(held_for, given.reason)
FROM /* rows(held bigint, counted text, reason text) */ AS given
WHERE run.id = given.held AND run.state = 'available';

-- name: places_free
-- By shared limit, queue and host with somebody in line: how many places there are for the first of them. Each queue, and
-- in it each host, has a line of its own, as nobody may be taking from another one. Mostly nobody is held at all, and that
-- is asked first, once. A job that has given its limit up lets a thousand go at a time.
WITH RECURSIVE line(limit_key, first) AS (
    SELECT asked.name, (SELECT run.id FROM rota_run AS run
                        WHERE run.limit_key = asked.name AND run.held_by IS NOT NULL AND run.held_by <> 'paused'
                        ORDER BY run.queue, run.host, run.due_at + run.priority_us, run.id LIMIT 1)
    FROM /* rows(name text) */ AS asked
    WHERE (SELECT 1 FROM rota_run WHERE held_by IS NOT NULL ORDER BY limit_key LIMIT 1) = 1
    UNION ALL
    SELECT line.limit_key, coalesce(
        (SELECT run.id FROM rota_run AS run
         WHERE run.limit_key = line.limit_key AND run.held_by IS NOT NULL AND run.held_by <> 'paused'
           AND run.queue = (SELECT queue FROM rota_run WHERE id = line.first)
           AND run.host > (SELECT host FROM rota_run WHERE id = line.first)
         ORDER BY run.host, run.due_at + run.priority_us, run.id LIMIT 1),
        (SELECT run.id FROM rota_run AS run
         WHERE run.limit_key = line.limit_key AND run.held_by IS NOT NULL AND run.held_by <> 'paused'
           AND run.queue > (SELECT queue FROM rota_run WHERE id = line.first)
         ORDER BY run.queue, run.host, run.due_at + run.priority_us, run.id LIMIT 1))
    FROM line WHERE line.first IS NOT NULL
), head AS (
    SELECT limit_key, (SELECT queue FROM rota_run WHERE id = first) AS queue,
        (SELECT host FROM rota_run WHERE id = first) AS host,
        (SELECT due_at + priority_us FROM rota_run WHERE id = first) AS turn,
        CASE WHEN limit_key LIKE 'schedule:%' THEN 1 ELSE coalesce(
            (SELECT (SELECT coalesce(job.limit_count, 1000) FROM rota_job AS job WHERE job.name = run.job)
             FROM rota_run AS run WHERE run.id = first), 1) END AS places
    FROM line WHERE first IS NOT NULL
)
SELECT limit_key, queue, host, places - (
    SELECT count(*) FROM rota_run AS run
    WHERE run.limit_key = head.limit_key
      AND (run.state = 'running' OR run.keeps_place = 1 OR (run.state = 'available' AND run.held_by IS NULL))
      AND (run.state = 'running' OR run.keeps_place = 1
           OR (run.state = 'available' AND run.queue = head.queue AND run.host = head.host
               AND run.due_at + run.priority_us <= head.turn)))
FROM head;

-- name: release
-- The next ones in the line of a queue for a shared limit may try.
UPDATE rota_run SET held_by = NULL
WHERE id IN (
    SELECT id FROM rota_run
    WHERE limit_key = :key AND queue = :queue AND host = :host AND held_by IS NOT NULL AND held_by <> 'paused'
    ORDER BY due_at + priority_us, id LIMIT :limit
    /* skip locked */
)
RETURNING queue, job, host;

-- name: succeed
-- Only the attempt that holds the run may end it. (By CASE, here and below: PostgreSQL is to go by the id, and not to
-- look among all that are running.)
UPDATE rota_run AS run SET state = 'succeeded', started_at = done.started, finished_at = done.finished, result = done.value,
    error = NULL, peak_rss = done.rss, held_by = NULL
FROM /* rows(done_id bigint, fence bigint, started bigint, finished bigint, value text, rss bigint) */ AS done
WHERE run.id = done.done_id
  AND CASE WHEN run.claim = done.fence THEN run.state = 'running' AND run.node = :node END
RETURNING id;

-- name: settle
-- Ends an attempt in any other way: failed, cancelled, tried again later, or handed back. There is no again for a run
-- that somebody asked to stop. One whose body began may begin again at any time.
UPDATE rota_run AS run SET due_at = done.due, started_at = done.started,
    expires_at = CASE WHEN done.started IS NULL THEN expires_at END,
    state = CASE WHEN done.finished IS NULL AND run.cancel_at IS NOT NULL THEN 'cancelled' ELSE done.new_state END,
    finished_at = coalesce(done.finished, CASE WHEN run.cancel_at IS NOT NULL THEN CAST(:now AS BIGINT) END),
    result = done.value, error = done.error_text, failures = done.failure_count, crashes = done.crash_count,
    peak_rss = coalesce(done.rss, peak_rss), held_by = NULL,
    node = CASE WHEN done.finished IS NULL AND run.cancel_at IS NULL THEN NULL ELSE node END,
    waits_for = CASE WHEN run.cancel_at IS NULL THEN done.signal END, waits_until = done.until, waits_about = done.about,
    keeps_place = CASE WHEN run.cancel_at IS NULL THEN done.keeps END
FROM /* rows(done_id bigint, fence bigint, new_state text, due bigint, started bigint, finished bigint, error_text text,
    failure_count bigint, crash_count bigint, rss bigint, value text, signal text, until bigint, about text,
    keeps bigint) */ AS done
WHERE run.id = done.done_id
  AND CASE WHEN run.claim = done.fence THEN run.state = 'running' AND run.node = :node END
RETURNING id, state;

-- name: active_by_key
-- For the overlap policy: what is running, and what waits and may still begin, under each key.
SELECT run.limit_key, run.state, count(*) FROM rota_run AS run
WHERE run.state IN ('scheduled', 'available', 'running', 'waiting')
  AND (run.expires_at IS NULL OR run.expires_at > :now OR run.state = 'running')
  AND run.limit_key /* among(name text) */
GROUP BY run.limit_key, run.state;

-- name: active_by_schedule
SELECT run.schedule, run.host, run.state, count(*) FROM rota_run AS run
WHERE run.schedule IS NOT NULL AND run.state IN ('scheduled', 'available', 'running', 'waiting')
  AND (run.expires_at IS NULL OR run.expires_at > :now OR run.state = 'running')
  AND run.schedule /* among(name text) */
GROUP BY run.schedule, run.host, run.state;

-- name: request_cancel_by_key
UPDATE rota_run SET cancel_at = :now, cancel_by = :by
WHERE limit_key = :key AND state = 'running' AND cancel_at IS NULL
RETURNING id;

-- name: request_cancel_by_schedule
UPDATE rota_run SET cancel_at = :now, cancel_by = :by
WHERE schedule = :schedule AND state = 'running' AND cancel_at IS NULL
  AND (CAST(:host AS TEXT) IS NULL OR host = :host)
RETURNING id;

-- name: cancel_waiting_by_key
UPDATE rota_run SET state = 'cancelled', finished_at = :now, error = :reason, held_by = NULL,
    waits_for = NULL, keeps_place = NULL
WHERE limit_key = :key AND state IN ('scheduled', 'available', 'waiting')
RETURNING id, batch_id;

-- name: cancel_waiting_by_schedule
UPDATE rota_run SET state = 'cancelled', finished_at = :now, error = :reason, held_by = NULL,
    waits_for = NULL, keeps_place = NULL
WHERE schedule = :schedule AND state IN ('scheduled', 'available', 'waiting')
  AND (CAST(:host AS TEXT) IS NULL OR host = :host)
RETURNING id, batch_id;

-- name: give_up
-- What has not begun, and of another ledger than this one also what runs: a stretch of them, by the primary key.
UPDATE rota_run SET state = 'cancelled', finished_at = :now, error = :reason, held_by = NULL,
    waits_for = NULL, keeps_place = NULL
WHERE id IN (
    SELECT id FROM rota_run
    WHERE id > :after AND (state IN ('scheduled', 'available', 'waiting') OR (state = 'running' AND :running = 1))
    ORDER BY id LIMIT :limit
)
RETURNING /* columns(given_up) */;

-- name: lock
SELECT /* columns(run) */ FROM rota_run WHERE id = :id
/* for update */;

-- name: close
-- A run that waits, or a dead letter.
UPDATE rota_run SET state = 'cancelled', finished_at = :now, cancel_at = :now, cancel_by = :by, held_by = NULL,
    waits_for = NULL, keeps_place = NULL
WHERE id = :id AND state IN ('scheduled', 'available', 'waiting', 'failed')
RETURNING id;

-- name: request_cancel
-- Who asks again changes nothing: the first one was told that it will stop.
UPDATE rota_run SET cancel_at = coalesce(cancel_at, :now), cancel_by = coalesce(cancel_by, :by)
WHERE id = :id AND state = 'running'
RETURNING id;

-- name: retry
-- A person's retry: the counts start again, the attempt number never does. Not while another run holds its key.
UPDATE rota_run AS run SET state = 'available', due_at = :now, failures = 0, crashes = 0, suspected = 0, node = NULL,
    expires_at = NULL, started_at = NULL, finished_at = NULL, result = NULL, error = NULL, cancel_at = NULL, cancel_by = NULL,
    checkpoint = CASE WHEN CAST(:afresh AS BIGINT) = 0 THEN checkpoint END
WHERE id = :id AND state IN ('failed', 'cancelled', 'expired')
  AND NOT EXISTS (SELECT 1 FROM rota_run AS other
                  WHERE other.unique_key = run.unique_key AND other.state IN ('scheduled', 'available', 'running', 'waiting'))
RETURNING id, queue;

-- name: lost
-- What a lost node left running.
SELECT /* columns(lost_run) */ FROM rota_run
WHERE node = :node AND state = 'running'
ORDER BY id
LIMIT :limit
/* for update */;

-- name: rescue
UPDATE rota_run AS run SET state = given.new_state, crashes = given.crash_count, suspected = given.suspicions,
    expires_at = NULL, finished_at = given.finished, error = given.error_text,
    node = CASE WHEN given.finished IS NULL THEN NULL ELSE run.node END
FROM /* rows(run_id bigint, fence bigint, new_state text, crash_count bigint, suspicions bigint, finished bigint, error_text text) */ AS given
WHERE run.id = given.run_id AND CASE WHEN run.attempt = given.fence THEN run.state = 'running' END
RETURNING id;

-- name: hand_back
-- Claimed and not begun, or told to stop without an answer: as if it had never been claimed, but for the attempt number.
UPDATE rota_run AS run SET state = 'available', node = NULL, started_at = NULL
FROM /* rows(run_id bigint, fence bigint) */ AS given
WHERE run.id = given.run_id
  AND CASE WHEN run.claim = given.fence THEN run.state = 'running' AND run.node = :node END;

-- name: get
SELECT /* columns(run) */ FROM rota_run WHERE id = :id;

-- name: page
-- Newest first, from a cursor.
SELECT /* columns(run) */ FROM rota_run
WHERE (CAST(:state AS TEXT) IS NULL OR state = :state)
  AND (CAST(:job AS TEXT) IS NULL OR job = :job)
  AND (CAST(:queue AS TEXT) IS NULL OR queue = :queue)
  AND (CAST(:schedule AS TEXT) IS NULL OR schedule = :schedule)
  AND (CAST(:before AS BIGINT) IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :limit;

-- name: failed_page
-- The dead letters, newest first; the partial index serves them whatever else the table holds.
SELECT /* columns(run) */ FROM rota_run
WHERE state = 'failed' AND (CAST(:job AS TEXT) IS NULL OR job = :job) AND (CAST(:before AS BIGINT) IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :limit;

-- name: waiting_page
-- Those that wait for a signal, newest first; by a partial index, too.
SELECT /* columns(run) */ FROM rota_run
WHERE state = 'waiting' AND (CAST(:job AS TEXT) IS NULL OR job = :job) AND (CAST(:before AS BIGINT) IS NULL OR id < :before)
ORDER BY id DESC
LIMIT :limit;

-- name: count_ahead
-- How many would be claimed before this one, among the jobs that wait.
SELECT count(*) FROM (
    SELECT other.id FROM /* rows(waiting text) */ AS asked, rota_run AS other
    WHERE other.job = asked.waiting AND other.queue = :queue AND other.host = :host AND other.state = 'available' AND other.held_by IS NULL
      AND (other.due_at + other.priority_us, other.id) < (:turn, :id)
    LIMIT :cap
) AS counted;

-- name: count_rated_ahead
-- How many of one job, for the same host, go before a turn, by their due moments: from queue to queue by the index.
SELECT count(*) FROM (
    SELECT other.id FROM rota_queue AS queue, rota_run AS other
    WHERE other.queue = queue.name AND other.host = :host AND other.job = :job AND other.state = 'available' AND other.held_by IS NULL
      AND (other.due_at + other.priority_us, other.id) < (:turn, :id)
    LIMIT :cap
) AS counted;

-- name: oldest
-- A stretch of the oldest runs, for the pruner to judge.
SELECT /* columns(run_age) */ FROM rota_run WHERE id > :after ORDER BY id LIMIT :limit;

-- name: delete
DELETE FROM rota_run WHERE id IN (SELECT run_id FROM /* rows(run_id bigint) */ AS given);

-- name: held_keys
-- Shared limits that somebody waits for, from one to the next by the index, past all who wait for each.
WITH RECURSIVE held(limit_key) AS (
    SELECT (SELECT limit_key FROM rota_run WHERE held_by IS NOT NULL AND held_by <> 'paused' AND limit_key > :after
            ORDER BY limit_key LIMIT 1)
    UNION ALL
    SELECT (SELECT run.limit_key FROM rota_run AS run
            WHERE run.held_by IS NOT NULL AND run.held_by <> 'paused' AND run.limit_key > held.limit_key
            ORDER BY run.limit_key LIMIT 1)
    FROM held WHERE held.limit_key IS NOT NULL
)
SELECT limit_key FROM held WHERE limit_key IS NOT NULL LIMIT :limit;

-- name: holders_of_key
-- Who has the places of a shared limit.
SELECT /* columns(running_run) */ FROM rota_run
WHERE limit_key = :key AND (state = 'running' OR keeps_place = 1)
ORDER BY started_at, id
LIMIT :limit;

-- name: holders_of_queue
SELECT /* columns(running_run) */ FROM rota_run
WHERE state = 'running' AND queue = :queue
ORDER BY started_at, id
LIMIT :limit;

-- name: on_nodes
SELECT /* columns(running_run) */ FROM rota_run AS run
WHERE run.state = 'running' AND run.node /* among(name text) */
ORDER BY started_at, id
LIMIT :cap;

-- name: count_held_ahead
-- How many wait for the same limit in the same queue and go first.
SELECT count(*) FROM (
    SELECT 1 FROM rota_run
    WHERE limit_key = :key AND queue = :queue AND host = :host AND held_by IS NOT NULL AND held_by <> 'paused'
      AND (due_at + priority_us, id) < (:turn, :id)
    LIMIT :cap
) AS counted;

-- name: longest
-- The attempts that have run for longest.
SELECT /* columns(running_run) */ FROM rota_run
WHERE state = 'running' AND started_at < :before
ORDER BY started_at
LIMIT :limit;

-- name: count_failed
-- Counted up to a cap; the partial index holds nothing else.
SELECT count(*) FROM (SELECT 1 FROM rota_run WHERE state = 'failed' LIMIT :cap) AS head;

-- name: count_waiting
SELECT count(*) FROM (SELECT 1 FROM rota_run WHERE state = 'waiting' LIMIT :cap) AS head;

-- name: strays
-- Runs that nobody will bring back by himself: their node is not in the ledger any more.
SELECT run.id FROM rota_run AS run LEFT JOIN rota_node AS node ON node.id = run.node
WHERE run.state = 'running' AND node.id IS NULL
ORDER BY run.id
LIMIT :limit;

-- name: lately_made
-- Among the newest, as there is no index by key of runs that are over.
SELECT id FROM (SELECT id, unique_key, created_at FROM rota_run ORDER BY id DESC LIMIT 1000) AS newest
WHERE unique_key = :unique_key AND created_at = :created_at;
