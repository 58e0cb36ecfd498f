-- Expands only: binaries that know no runs can still use this schema.

-- Since when no version is promoted but by hand, set by a rollback. It may change.
ALTER TABLE tasks ADD COLUMN promotion_paused_at INTEGER;

-- Jobs that make versions, and the queue of them. Rows are never deleted. Immutable: task_id, why, created_at;
-- up_to and started_at are set once, when a run is first claimed; a run that is over does not change.
CREATE TABLE training_runs (
    run_id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES tasks (task_id),
    state TEXT NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    why TEXT NOT NULL,
    up_to INTEGER CHECK (up_to >= 0),
    n_attempts INTEGER NOT NULL DEFAULT 0 CHECK (n_attempts >= 0),
    -- The fence: whatever is written by who works on the run names it. Another for each claim.
    lease_token TEXT,
    lease_expires_at INTEGER,
    heartbeat_at INTEGER,
    not_before INTEGER NOT NULL,
    -- Whether a resume state was stored since the last claim: then losing the lease counts as no attempt.
    has_newer_state INTEGER NOT NULL DEFAULT FALSE CHECK (has_newer_state IN (FALSE, TRUE)),
    is_cancel_requested INTEGER NOT NULL DEFAULT FALSE CHECK (is_cancel_requested IN (FALSE, TRUE)),
    progress TEXT,
    errors TEXT NOT NULL DEFAULT '[]',
    version TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    FOREIGN KEY (task_id, version) REFERENCES model_versions (task_id, version),
    CONSTRAINT lease_while_running
        CHECK ((lease_token IS NOT NULL) = (state = 'running') AND (lease_expires_at IS NOT NULL) = (state = 'running')),
    CONSTRAINT snapshot_since_started
        CHECK ((up_to IS NULL) = (started_at IS NULL) AND (started_at IS NOT NULL OR state IN ('queued', 'cancelled'))),
    CONSTRAINT version_of_success CHECK ((version IS NOT NULL) = (state = 'succeeded')),
    CONSTRAINT finished_when_over CHECK ((finished_at IS NULL) = (state IN ('queued', 'running')))
) STRICT;
-- A task has one unfinished run or none.
CREATE UNIQUE INDEX training_runs_unfinished ON training_runs (task_id) WHERE state IN ('queued', 'running');
CREATE INDEX training_runs_of_task ON training_runs (task_id, run_id);

-- What an unfinished run can be resumed from, apart, so that lists of runs never read bytes. One row a run,
-- overwritten; gone when the run is over.
CREATE TABLE training_run_states (
    run_id INTEGER PRIMARY KEY REFERENCES training_runs (run_id),
    bytes BLOB NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT;

-- The run that a request queued; without one, it created a task. Immutable.
ALTER TABLE task_requests ADD COLUMN run_id INTEGER REFERENCES training_runs (run_id);

-- Immutable. trained_up_to is NULL where nobody knows.
ALTER TABLE model_versions ADD COLUMN run_id INTEGER REFERENCES training_runs (run_id);
ALTER TABLE model_versions ADD COLUMN trained_up_to INTEGER CHECK (trained_up_to >= 0);
-- A run makes one version or none.
CREATE UNIQUE INDEX model_versions_of_run ON model_versions (run_id) WHERE run_id IS NOT NULL;
CREATE INDEX model_versions_by_time ON model_versions (task_id, created_at, version);
CREATE INDEX model_versions_by_digest ON model_versions (digest);

-- When the bytes were dropped: they are empty since. They come back with the same file, and only so.
ALTER TABLE checkpoints ADD COLUMN dropped_at INTEGER CHECK (dropped_at IS NULL OR length(bytes) = 0);

-- How champions came and went, in order. Immutable; rows are never deleted.
CREATE TABLE promotions (
    promotion_id INTEGER PRIMARY KEY,
    task_id INTEGER NOT NULL REFERENCES tasks (task_id),
    from_version TEXT,
    to_version TEXT NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    promoted_at INTEGER NOT NULL,
    -- The promotion that this one undid, which happens to it once at most.
    rolls_back INTEGER UNIQUE REFERENCES promotions (promotion_id),
    FOREIGN KEY (task_id, from_version) REFERENCES model_versions (task_id, version),
    FOREIGN KEY (task_id, to_version) REFERENCES model_versions (task_id, version),
    CONSTRAINT champion_changes CHECK (from_version IS NULL OR from_version <> to_version)
) STRICT;
CREATE INDEX promotions_of_task ON promotions (task_id, promotion_id);

-- Champions that were there before there was a history.
INSERT INTO promotions (task_id, to_version, who, why, promoted_at)
SELECT task_id, version, 'tagates', origin, created_at FROM model_versions WHERE is_champion;
