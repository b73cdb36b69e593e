-- name: get
SELECT /* columns(passport) */ FROM rota_passport;

-- name: make
-- Whoever comes first.
INSERT INTO rota_passport (/* columns(passport) */) VALUES (/* parameters(passport) */)
ON CONFLICT DO NOTHING;

-- name: move_in
-- By the first node that works in the database.
UPDATE rota_passport SET home = :home, environment = coalesce(environment, :environment) WHERE home IS NULL;

-- name: went_back
UPDATE rota_passport SET back_at = :now, back_to = :back_to WHERE back_at IS NULL;

-- name: lock
SELECT /* columns(passport) */ FROM rota_passport
/* for update */;

-- name: adopt
UPDATE rota_passport SET id = :id, environment = :environment, home = :home, adopted_at = :now, back_at = NULL, back_to = NULL;
