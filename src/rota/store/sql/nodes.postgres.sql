-- name: that_do
-- The living nodes, of one host or of any (''), that serve a queue and whose application has the job, and whether each was full when it last wrote.
SELECT node.id, node.running >= node.threads FROM rota_node AS node
WHERE node.stopped_at IS NULL AND node.lost_at IS NULL AND node.draining_at IS NULL
  AND (CAST(:host AS TEXT) = '' OR node.host = :host)
  AND (node.queues = '*' OR CAST(:queue AS TEXT) = ANY(string_to_array(node.queues, ',')))
  AND node.owner = coalesce((SELECT job.owner FROM rota_job AS job WHERE job.name = CAST(:job AS TEXT)), node.owner);
