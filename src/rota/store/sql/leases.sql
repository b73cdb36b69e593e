-- name: acquire
-- Take a free or lapsed lease, or renew one's own; the term rises with each new holding.
INSERT INTO rota_lease AS lease (name, holder, term, expires_at)
VALUES (:name, :holder, 1, :expires_at)
ON CONFLICT (name) DO UPDATE SET
    term = lease.term + CASE WHEN lease.holder = excluded.holder AND lease.expires_at >= :now THEN 0 ELSE 1 END,
    holder = excluded.holder, expires_at = excluded.expires_at
WHERE lease.holder = excluded.holder OR lease.expires_at < :now
RETURNING term;

-- name: renew
UPDATE rota_lease SET expires_at = :expires_at
WHERE name = :name AND holder = :holder AND term = :term AND expires_at >= :now;

-- name: release
UPDATE rota_lease SET expires_at = 0, holder = '' WHERE name = :name AND holder = :holder AND term = :term;

-- name: strays
-- Holds that ran out long ago and were never given back: their holders died.
SELECT /* columns(lease) */ FROM rota_lease WHERE holder <> '' AND expires_at < :before ORDER BY expires_at LIMIT :limit;
