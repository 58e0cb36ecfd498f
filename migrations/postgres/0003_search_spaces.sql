-- Expands only: binaries that know no search spaces but the built-in ones can still use this schema. They pass over the
-- tasks of others.

-- Search spaces that users created; built-in ones are not here. Immutable; rows are never deleted.
CREATE TABLE search_spaces (
    name TEXT COLLATE "C" PRIMARY KEY CHECK (name <> ''),
    definition TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Requests that created a search space, so that they can be sent again. Immutable; gone once expired.
CREATE TABLE search_space_requests (
    request_id TEXT COLLATE "C" PRIMARY KEY,
    body_digest BYTEA NOT NULL CHECK (length(body_digest) = 32),
    -- Deferred: the request is taken first, so that the same request sent twice at once queues up here.
    search_space TEXT COLLATE "C" NOT NULL REFERENCES search_spaces (name) DEFERRABLE INITIALLY DEFERRED,
    expires_at BIGINT NOT NULL
);
CREATE INDEX search_space_requests_by_expiry ON search_space_requests (expires_at);
