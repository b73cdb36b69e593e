-- name: candidates
-- The heads of the jobs asked for, in one queue: what limits they share is weighed before they are claimed.
SELECT head.id, head.job, head.turn, head.limit_key
FROM /* rows(wanted text) */ AS asked
CROSS JOIN LATERAL (
    SELECT id, job, due_at + priority_us AS turn, limit_key FROM rota_run
    WHERE state = 'available' AND queue = :queue AND host = :host AND job = asked.wanted AND held_by IS NULL
      AND (expires_at IS NULL OR expires_at > :now)
      AND (suspected >= 2) = (CAST(:suspects AS BIGINT) = 1)
      AND NOT EXISTS (SELECT 1 FROM rota_queue WHERE name = :queue AND (paused_at IS NOT NULL
                      OR (CAST(:limited AS BIGINT) = 0 AND (concurrency IS NOT NULL OR rate IS NOT NULL))))
    ORDER BY due_at + priority_us, id
    LIMIT :each
    FOR UPDATE SKIP LOCKED
) AS head;
