-- For "why did it start late": when a run was staged, and when and why it was first set aside by a limit.
ALTER TABLE run ADD COLUMN staged_at BIGINT;
ALTER TABLE run ADD COLUMN held_since BIGINT;
ALTER TABLE run ADD COLUMN held_for TEXT;
