-- Expands only: binaries that know no saliencies can still use this schema.

-- How saliencies are measured that clients do not send, as JSON; NULL where they are not. It may change.
ALTER TABLE tasks ADD COLUMN saliency_proxy TEXT;

-- What was measured of architectures as written. Immutable: measured once more, elsewhere, a last digit may differ, and
-- the first one stays. Rows can be deleted: they are measured again where they are missed.
CREATE TABLE saliencies (
    -- SHA-256, in hexadecimal digits, of all that the measurement depends on but seed and architecture.
    proxy_digest TEXT COLLATE "C" NOT NULL CHECK (length(proxy_digest) = 64),
    seed BIGINT NOT NULL,
    architecture_id BIGINT NOT NULL REFERENCES architectures,
    -- What the proxy was called, for people.
    proxy TEXT NOT NULL,
    -- A row of metrics for each operation as written, in their order.
    operations TEXT NOT NULL,
    measured_at BIGINT NOT NULL,
    PRIMARY KEY (proxy_digest, seed, architecture_id)
);
