/** The tables of the whole path that is written by hand. */
export const PATH_TABLES = `
  CREATE TABLE jobs (
    id uuid PRIMARY KEY,
    service text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    request text,
    upstream_id text UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    submitted_at timestamptz,
    called_back_at timestamptz,
    ended_at timestamptz);
  CREATE TABLE results (
    job_id uuid PRIMARY KEY REFERENCES jobs,
    sha256 text NOT NULL,
    body bytea NOT NULL);`;
