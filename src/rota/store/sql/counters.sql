-- name: add
INSERT INTO rota_counter AS counter (minute, job, shard, measure, bucket, count)
SELECT minute, job, :shard, measure, bucket, count
FROM /* rows(minute bigint, job text, measure text, bucket bigint, count bigint) */ AS new
WHERE true
ON CONFLICT (minute, job, shard, measure, bucket) DO UPDATE SET count = counter.count + excluded.count;

-- name: totals
SELECT job, measure, bucket, sum(count) FROM rota_counter
WHERE minute >= :since AND (CAST(:job AS TEXT) IS NULL OR job = :job)
GROUP BY job, measure, bucket;

-- name: prune
DELETE FROM rota_counter WHERE minute IN (SELECT DISTINCT minute FROM rota_counter WHERE minute < :before ORDER BY minute LIMIT :limit);
