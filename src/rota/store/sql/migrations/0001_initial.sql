-- Moments are microseconds of UTC since 1970; JSON is text; a flag is the moment it was set at.

CREATE TABLE rota_migration (
    number BIGINT PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at BIGINT NOT NULL
);

-- Who this ledger is: one row. `home` says, as JSON, which database it lives in, and is written by its first node.
-- `back_at`: when a node saw that the ledger had gone back in time, to `back_to`.
CREATE TABLE rota_passport (
    only_one BIGINT PRIMARY KEY DEFAULT 1 CHECK (only_one = 1),
    id TEXT NOT NULL,
    environment TEXT,
    home TEXT,
    made_at BIGINT NOT NULL,
    adopted_at BIGINT,
    back_at BIGINT,
    back_to BIGINT
);

-- Of one application (`owner`); `code` says which function it is, as `shop.jobs:sync`.
CREATE TABLE rota_job (
    name TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    code TEXT NOT NULL,
    queue TEXT NOT NULL,
    definition TEXT NOT NULL,
    limit_count BIGINT,
    registered_at BIGINT NOT NULL
);

-- One version of an application's code: what it declares, as lists of names in JSON. Higher numbers came later.
-- `said_at`: of an application, only the one that wrote down its word last has it. `alone_at`: a process that is no node
-- declared it last; `gone_at`: its last node is gone, and that was dealt with.
CREATE TABLE rota_release (
    number /* identity */,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    jobs TEXT NOT NULL,
    schedules TEXT NOT NULL,
    said_at BIGINT,
    alone_at BIGINT,
    gone_at BIGINT
);
CREATE UNIQUE INDEX rota_release_id ON rota_release (id);

CREATE TABLE rota_queue (
    name TEXT PRIMARY KEY,
    concurrency BIGINT,
    rate TEXT,
    paused_at BIGINT,
    paused_by TEXT,
    paused_why TEXT
);

-- `definition` is in force; `declared` is what the code said last, and NULL where a person made the schedule. `owner` is
-- the application that its job belongs to. `aside_…`: the database refused what it leads to.
CREATE TABLE rota_schedule (
    name TEXT PRIMARY KEY,
    job TEXT NOT NULL,
    definition TEXT NOT NULL,
    declared TEXT,
    owner TEXT NOT NULL,
    watermark BIGINT NOT NULL,
    next_due_at BIGINT,
    created_at BIGINT NOT NULL,
    edited_at BIGINT,
    edited_by TEXT,
    paused_at BIGINT,
    paused_by TEXT,
    paused_why TEXT,
    aside_until BIGINT,
    aside_why TEXT,
    removed_at BIGINT
);
CREATE INDEX rota_schedule_due ON rota_schedule (owner, next_due_at)
    WHERE next_due_at IS NOT NULL AND paused_at IS NULL AND removed_at IS NULL;

CREATE INDEX rota_schedule_paused ON rota_schedule (name) WHERE paused_at IS NOT NULL;
CREATE INDEX rota_schedule_aside ON rota_schedule (aside_until) WHERE aside_until IS NOT NULL;

-- One row for each due moment; a range of moments with one verdict is one row (`moments` of them, through `through_at`).
CREATE TABLE rota_fire (
    id /* identity */,
    schedule TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT,
    through_at BIGINT,
    moments BIGINT,
    decided_at BIGINT NOT NULL,
    node TEXT
);
CREATE UNIQUE INDEX rota_fire_once ON rota_fire (schedule, due_at, kind);
CREATE INDEX rota_fire_decided ON rota_fire (decided_at);

-- `priority_us` is what its priority counts for, as time: waiting runs take turns by `due_at + priority_us`, so that one of
-- low priority is overtaken for so long only.
--
-- For "why did it start late": when a run was staged, and when and why it was first held.
--
-- `host`: whose nodes alone may claim it; '' is any.
--
-- `expires_at`: until when a run must begin. One that has begun and waits again has none any more.
--
-- `waits_…`: the signal that a run in the state `waiting` waits for; in any other state `waits_for` is NULL. `resumed_at`:
-- when the last one came, or its time was up. `keeps_place`: 1 while it waits and is counted under its limit all the same.
CREATE TABLE rota_run (
    id /* identity */,
    job TEXT NOT NULL,
    queue TEXT NOT NULL,
    host TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,
    priority BIGINT NOT NULL DEFAULT 0,
    priority_us BIGINT NOT NULL DEFAULT 0,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    arguments TEXT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    failures BIGINT NOT NULL DEFAULT 0,
    crashes BIGINT NOT NULL DEFAULT 0,
    suspected BIGINT NOT NULL DEFAULT 0,
    asked_by TEXT,
    mode TEXT,
    schedule TEXT,
    fire_id BIGINT,
    fire_due_at BIGINT,
    batch_id BIGINT,
    unique_key TEXT,
    unique_until TEXT,
    limit_key TEXT,
    held_by TEXT,
    held_since BIGINT,
    held_for TEXT,
    staged_at BIGINT,
    waits_for TEXT,
    waits_until BIGINT,
    waits_about TEXT,
    keeps_place BIGINT,
    resumed_at BIGINT,
    node TEXT,
    claim BIGINT,
    as_of BIGINT,
    expires_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    cancel_at BIGINT,
    cancel_by TEXT,
    progress_done BIGINT,
    progress_total BIGINT,
    checkpoint TEXT,
    result TEXT,
    error TEXT,
    peak_rss BIGINT
);
-- A node asks for the jobs that its code knows, for any host and for its own: what it may not take costs it nothing,
-- however much of it waits.
CREATE INDEX rota_run_claimable ON rota_run (queue, host, job, (due_at + priority_us), id) WHERE state = 'available' AND held_by IS NULL;
CREATE INDEX rota_run_claimable_limited ON rota_run (queue, host, job)
    WHERE state = 'available' AND held_by IS NULL AND limit_key IS NOT NULL;
CREATE INDEX rota_run_suspected ON rota_run (queue, host, (due_at + priority_us), id)
    WHERE state = 'available' AND held_by IS NULL AND suspected >= 2;
CREATE INDEX rota_run_due ON rota_run (due_at) WHERE state = 'scheduled';
CREATE INDEX rota_run_expires ON rota_run (expires_at)
    WHERE expires_at IS NOT NULL AND state IN ('scheduled', 'available');
CREATE INDEX rota_run_kept ON rota_run (host, queue, job)
    WHERE host <> '' AND state IN ('scheduled', 'available');
CREATE INDEX rota_run_held_key ON rota_run (limit_key, queue, host, (due_at + priority_us), id) WHERE held_by IS NOT NULL;
CREATE INDEX rota_run_running ON rota_run (node) WHERE state = 'running';
CREATE INDEX rota_run_limited ON rota_run (limit_key, state)
    WHERE limit_key IS NOT NULL AND state IN ('scheduled', 'available', 'running', 'waiting');
CREATE INDEX rota_run_busy_key ON rota_run (limit_key)
    WHERE limit_key IS NOT NULL AND (state = 'running' OR keeps_place = 1 OR (state = 'available' AND held_by IS NULL));
CREATE INDEX rota_run_of_schedule ON rota_run (schedule, state)
    WHERE schedule IS NOT NULL AND state IN ('scheduled', 'available', 'running', 'waiting');
CREATE UNIQUE INDEX rota_run_unique ON rota_run (unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'available', 'running', 'waiting');
CREATE INDEX rota_run_failed ON rota_run (id) WHERE state = 'failed';
CREATE INDEX rota_run_waiting ON rota_run (id) WHERE state = 'waiting';
CREATE INDEX rota_run_waits_until ON rota_run (waits_until) WHERE state = 'waiting' AND waits_until IS NOT NULL;
CREATE INDEX rota_run_of_fire ON rota_run (fire_id) WHERE fire_id IS NOT NULL;

-- Attempts that did not succeed; the one that did is told by its run.
CREATE TABLE rota_attempt (
    run_id BIGINT NOT NULL,
    number BIGINT NOT NULL,
    node TEXT,
    started_at BIGINT,
    finished_at BIGINT,
    outcome TEXT NOT NULL,
    error TEXT,
    traceback TEXT,
    PRIMARY KEY (run_id, number)
);

CREATE TABLE rota_log (
    run_id BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

-- What came for a run, each name once: a signal, or that the time to wait for it was up (`timed_out_at`).
CREATE TABLE rota_signal (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    at BIGINT NOT NULL,
    timed_out_at BIGINT,
    actor TEXT,
    why TEXT,
    data TEXT,
    PRIMARY KEY (run_id, name)
);

-- What the steps of a body returned; `error` says why a result was not kept.
CREATE TABLE rota_step (
    run_id BIGINT NOT NULL,
    name TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    at BIGINT NOT NULL,
    result TEXT,
    error TEXT,
    PRIMARY KEY (run_id, name)
);

CREATE TABLE rota_batch (
    id /* identity */,
    parent_run_id BIGINT,
    job TEXT NOT NULL,
    total BIGINT NOT NULL,
    succeeded BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    cancelled BIGINT NOT NULL DEFAULT 0,
    then_job TEXT,
    then_arguments TEXT,
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);
CREATE INDEX rota_batch_open ON rota_batch (id) WHERE finished_at IS NULL;

-- What pages, metrics and alerts read instead of runs. `shard` keeps nodes from waiting for each other's rows.
CREATE TABLE rota_counter (
    minute BIGINT NOT NULL,
    job TEXT NOT NULL,
    shard BIGINT NOT NULL,
    measure TEXT NOT NULL,
    bucket BIGINT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (minute, job, shard, measure, bucket)
);

CREATE TABLE rota_node (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    machine TEXT NOT NULL,
    pid BIGINT NOT NULL,
    version TEXT NOT NULL,
    queues TEXT NOT NULL,
    owner TEXT NOT NULL,
    release_id TEXT NOT NULL,
    environment TEXT,
    threads BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    running BIGINT NOT NULL DEFAULT 0,
    slots BIGINT NOT NULL DEFAULT 0,
    slots_busy BIGINT NOT NULL DEFAULT 0,
    rss BIGINT,
    draining_at BIGINT,
    stopped_at BIGINT,
    lost_at BIGINT,
    blocking TEXT
);

CREATE TABLE rota_duty (
    node TEXT NOT NULL,
    name TEXT NOT NULL,
    ticked_at BIGINT,
    failed_at BIGINT,
    error TEXT,
    patience BIGINT NOT NULL,
    unable TEXT,
    PRIMARY KEY (node, name)
);

CREATE TABLE rota_lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    term BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
-- Whoever claims runs that share a limit holds this row while counting them.
INSERT INTO rota_lease (name, holder, term, expires_at) VALUES ('rota:limits', '', 0, 0);

-- A rate limit's state: the moment at which its bucket is full again (the generic cell rate algorithm).
CREATE TABLE rota_bucket (
    name TEXT PRIMARY KEY,
    full_at BIGINT NOT NULL
);

CREATE TABLE rota_event (
    id /* identity */,
    at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    run_id BIGINT,
    actor TEXT,
    data TEXT NOT NULL
);
CREATE INDEX rota_event_subject ON rota_event (subject, id);
CREATE INDEX rota_event_run ON rota_event (run_id, id) WHERE run_id IS NOT NULL;
