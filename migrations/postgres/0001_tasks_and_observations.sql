-- Times are microseconds since 1970-01-01 UTC by the database's own clock, lists and settings are JSON,
-- both so that this schema and SQLite's hold the same values. Never edit a migration that ran: expand in
-- one, contract in a later one, and raise lowest_binary there.

-- The oldest binary, by the newest migration it knows, that this schema still serves. One row.
CREATE TABLE schema_compatibility (
    is_only_row BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only_row),
    lowest_binary BIGINT NOT NULL
);
INSERT INTO schema_compatibility (lowest_binary) VALUES (1);

-- Immutable but for policy, archived_at and last_sequence.
CREATE TABLE tasks (
    task_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL UNIQUE CHECK (name <> ''),
    space TEXT NOT NULL,
    dataset TEXT NOT NULL,
    metric TEXT NOT NULL,
    goal TEXT NOT NULL CHECK (goal IN ('maximize', 'minimize')),
    unit TEXT NOT NULL CHECK (unit IN ('percent', 'fraction', 'none')),
    valid_min DOUBLE PRECISION NOT NULL,
    valid_max DOUBLE PRECISION NOT NULL,
    budgets TEXT NOT NULL,
    holdout_salt TEXT NOT NULL,
    holdout_share DOUBLE PRECISION NOT NULL CHECK (0 <= holdout_share AND holdout_share < 1),
    policy TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT,
    -- Of the last observation or retraction accepted. Whoever accepts one holds this row's lock until
    -- it commits, so numbers have no gaps and become visible in their order.
    last_sequence BIGINT NOT NULL DEFAULT 0 CHECK (last_sequence >= 0),
    CHECK (valid_min <= valid_max)
);

-- Requests that created a task, so that they can be sent again. Immutable; gone once expired.
CREATE TABLE task_requests (
    request_id TEXT COLLATE "C" PRIMARY KEY,
    body_digest BYTEA NOT NULL CHECK (length(body_digest) = 32),
    -- Deferred: the request is taken first, so that the same request sent twice at once queues up here.
    task_name TEXT COLLATE "C" NOT NULL REFERENCES tasks (name) DEFERRABLE INITIALLY DEFERRED,
    expires_at BIGINT NOT NULL
);
CREATE INDEX task_requests_by_expiry ON task_requests (expires_at);

-- Architectures as written. Immutable.
CREATE TABLE architectures (
    architecture_id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    space TEXT NOT NULL,
    text TEXT NOT NULL,
    -- SHA-256 of the space, a zero byte and the text: a key that fits any index, which long texts do not.
    digest BYTEA NOT NULL UNIQUE CHECK (length(digest) = 32),
    -- The class of architectures that compute the same thing. Groups rows, is no key.
    canonical_id TEXT NOT NULL
);

-- Tombstones. Immutable but for undone_at, which is set once.
CREATE TABLE retractions (
    task_id BIGINT NOT NULL REFERENCES tasks,
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    reason TEXT NOT NULL,
    n_observations BIGINT NOT NULL CHECK (n_observations >= 0),
    retracted_at BIGINT NOT NULL,
    undone_at BIGINT,
    PRIMARY KEY (task_id, sequence)
);

-- What was measured. Immutable but for retracted_by, which is set once; rows are never deleted. A row is
-- part of "up to n" where sequence <= n and it was not retracted by a number <= n.
CREATE TABLE observations (
    task_id BIGINT NOT NULL REFERENCES tasks,
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    architecture_id BIGINT NOT NULL REFERENCES architectures,
    budget BIGINT NOT NULL CHECK (budget >= 0),
    seed BIGINT NOT NULL DEFAULT 0,
    source TEXT COLLATE "C" NOT NULL DEFAULT '',
    value DOUBLE PRECISION,
    infeasible_reason TEXT CHECK (infeasible_reason <> ''),
    n_repeats BIGINT CHECK (n_repeats >= 1),
    standard_deviation DOUBLE PRECISION CHECK (standard_deviation >= 0),
    recorded_at BIGINT NOT NULL,
    retracted_by BIGINT,
    PRIMARY KEY (task_id, sequence),
    FOREIGN KEY (task_id, retracted_by) REFERENCES retractions (task_id, sequence),
    CONSTRAINT value_or_reason CHECK ((value IS NULL) <> (infeasible_reason IS NULL)),
    CONSTRAINT spread_of_repeats CHECK (standard_deviation IS NULL OR n_repeats IS NOT NULL),
    CONSTRAINT retracted_later CHECK (retracted_by > sequence)
);
-- The natural key. A retracted measurement may be made again.
CREATE UNIQUE INDEX observations_live ON observations (task_id, architecture_id, budget, seed, source)
    WHERE retracted_by IS NULL;
CREATE INDEX observations_retracted ON observations (task_id, retracted_by) WHERE retracted_by IS NOT NULL;

-- Checkpoints by their SHA-256, apart from the versions, so that lists of these never read bytes. Immutable.
CREATE TABLE checkpoints (
    digest BYTEA PRIMARY KEY CHECK (length(digest) = 32),
    bytes BYTEA NOT NULL
);

-- Immutable but for is_champion.
CREATE TABLE model_versions (
    task_id BIGINT NOT NULL REFERENCES tasks,
    version TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL REFERENCES checkpoints,
    created_at BIGINT NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('shipped', 'trained', 'imported')),
    report TEXT,
    decision TEXT,
    is_champion BOOLEAN NOT NULL DEFAULT FALSE,
    PRIMARY KEY (task_id, version)
);
-- A task has one champion or none.
CREATE UNIQUE INDEX model_versions_champion ON model_versions (task_id) WHERE is_champion;
