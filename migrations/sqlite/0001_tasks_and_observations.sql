-- Times are microseconds since 1970-01-01 UTC by the database's own clock, lists and settings are JSON,
-- both so that this schema and PostgreSQL's hold the same values. Never edit a migration that ran: expand
-- in one, contract in a later one, and raise lowest_binary there.

-- The oldest binary, by the newest migration it knows, that this schema still serves. One row.
CREATE TABLE schema_compatibility (
    is_only_row INTEGER PRIMARY KEY DEFAULT TRUE CHECK (is_only_row = TRUE),
    lowest_binary INTEGER NOT NULL
) STRICT;
INSERT INTO schema_compatibility (lowest_binary) VALUES (1);

-- Immutable but for policy, archived_at and last_sequence.
CREATE TABLE tasks (
    task_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE CHECK (name <> ''),
    space TEXT NOT NULL,
    dataset TEXT NOT NULL,
    metric TEXT NOT NULL,
    goal TEXT NOT NULL CHECK (goal IN ('maximize', 'minimize')),
    unit TEXT NOT NULL CHECK (unit IN ('percent', 'fraction', 'none')),
    valid_min REAL NOT NULL,
    valid_max REAL NOT NULL,
    budgets TEXT NOT NULL,
    holdout_salt TEXT NOT NULL,
    holdout_share REAL NOT NULL CHECK (0 <= holdout_share AND holdout_share < 1),
    policy TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    archived_at INTEGER,
    -- Of the last observation or retraction accepted. There is one writer at a time, so numbers have no
    -- gaps and become visible in their order.
    last_sequence INTEGER NOT NULL DEFAULT 0 CHECK (last_sequence >= 0),
    CHECK (valid_min <= valid_max)
) STRICT;

-- Requests that created a task, so that they can be sent again. Immutable; gone once expired.
CREATE TABLE task_requests (
    request_id TEXT PRIMARY KEY,
    body_digest BLOB NOT NULL CHECK (length(body_digest) = 32),
    -- Deferred: the request is taken first, so that the same request sent twice at once queues up here.
    task_name TEXT NOT NULL REFERENCES tasks (name) DEFERRABLE INITIALLY DEFERRED,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX task_requests_by_expiry ON task_requests (expires_at);

-- Architectures as written. Immutable.
CREATE TABLE architectures (
    architecture_id INTEGER PRIMARY KEY,
    space TEXT NOT NULL,
    text TEXT NOT NULL,
    -- SHA-256 of the space, a zero byte and the text: a key that fits any index, which long texts do not.
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
    -- The class of architectures that compute the same thing. Groups rows, is no key.
    canonical_id TEXT NOT NULL
) STRICT;

-- Tombstones. Immutable but for undone_at, which is set once.
CREATE TABLE retractions (
    task_id INTEGER NOT NULL REFERENCES tasks (task_id),
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    reason TEXT NOT NULL,
    n_observations INTEGER NOT NULL CHECK (n_observations >= 0),
    retracted_at INTEGER NOT NULL,
    undone_at INTEGER,
    PRIMARY KEY (task_id, sequence)
) STRICT;

-- What was measured. Immutable but for retracted_by, which is set once; rows are never deleted. A row is
-- part of "up to n" where sequence <= n and it was not retracted by a number <= n.
CREATE TABLE observations (
    task_id INTEGER NOT NULL REFERENCES tasks (task_id),
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    architecture_id INTEGER NOT NULL REFERENCES architectures (architecture_id),
    budget INTEGER NOT NULL CHECK (budget >= 0),
    seed INTEGER NOT NULL DEFAULT 0,
    source TEXT NOT NULL DEFAULT '',
    value REAL,
    infeasible_reason TEXT CHECK (infeasible_reason <> ''),
    n_repeats INTEGER CHECK (n_repeats >= 1),
    standard_deviation REAL CHECK (standard_deviation >= 0),
    recorded_at INTEGER NOT NULL,
    retracted_by INTEGER,
    PRIMARY KEY (task_id, sequence),
    FOREIGN KEY (task_id, retracted_by) REFERENCES retractions (task_id, sequence),
    CONSTRAINT value_or_reason CHECK ((value IS NULL) <> (infeasible_reason IS NULL)),
    CONSTRAINT spread_of_repeats CHECK (standard_deviation IS NULL OR n_repeats IS NOT NULL),
    CONSTRAINT retracted_later CHECK (retracted_by > sequence)
) STRICT, WITHOUT ROWID;
-- The natural key. A retracted measurement may be made again.
CREATE UNIQUE INDEX observations_live ON observations (task_id, architecture_id, budget, seed, source)
    WHERE retracted_by IS NULL;
CREATE INDEX observations_retracted ON observations (task_id, retracted_by) WHERE retracted_by IS NOT NULL;

-- Checkpoints by their SHA-256, apart from the versions, so that lists of these never read bytes. Immutable.
CREATE TABLE checkpoints (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    bytes BLOB NOT NULL
) STRICT;

-- Immutable but for is_champion.
CREATE TABLE model_versions (
    task_id INTEGER NOT NULL REFERENCES tasks (task_id),
    version TEXT NOT NULL,
    digest BLOB NOT NULL REFERENCES checkpoints (digest),
    created_at INTEGER NOT NULL,
    origin TEXT NOT NULL CHECK (origin IN ('shipped', 'trained', 'imported')),
    report TEXT,
    decision TEXT,
    is_champion INTEGER NOT NULL DEFAULT FALSE CHECK (is_champion IN (FALSE, TRUE)),
    PRIMARY KEY (task_id, version)
) STRICT;
-- A task has one champion or none.
CREATE UNIQUE INDEX model_versions_champion ON model_versions (task_id) WHERE is_champion;
