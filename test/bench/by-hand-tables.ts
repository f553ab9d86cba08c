/** The tables of the side that is written by hand. */
export const BY_HAND_TABLES = `
  CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    service text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    request jsonb,
    upstream_id text UNIQUE,
    poll_requested boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now());
  CREATE TABLE callbacks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id uuid NOT NULL,
    upstream_id text NOT NULL,
    status text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job_id, upstream_id, status));
  CREATE TABLE tasks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    job_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (kind, job_id));`;
