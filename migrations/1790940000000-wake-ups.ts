import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The dependents of a job wake in parts; `wake_ups` has the jobs that ended and have more. */
export class WakeUps1790940000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE wake_ups (
        input_id uuid NOT NULL,
        CONSTRAINT wake_ups_pk PRIMARY KEY (input_id))`);
    // The inputs have ended, so they get no further dependents.
    await runner.query(`
      CREATE OR REPLACE FUNCTION wake_dependents(ended uuid[]) RETURNS integer LANGUAGE plpgsql VOLATILE
          SET enable_seqscan = off AS $$
        DECLARE
          dependents uuid[];
          cannot_run boolean[];
          pairs integer;
          woken integer;
        BEGIN
          WITH deleted AS (
            DELETE FROM job_inputs WHERE ctid = ANY (ARRAY(
              SELECT pair.id
                FROM unnest(ended) AS input (id),
                     LATERAL (SELECT ctid AS id FROM job_inputs WHERE input_id = input.id
                               ORDER BY job_id LIMIT 500) AS pair
               LIMIT 500))
            RETURNING input_id, job_id)
          SELECT array_agg(job_id), array_agg(unusable), sum(count) INTO dependents, cannot_run, pairs
            FROM (SELECT deleted.job_id, count(*) AS count,
                         bool_or(source.status IS DISTINCT FROM 'completed') AS unusable
                    FROM deleted LEFT JOIN jobs AS source ON source.id = deleted.input_id
                   GROUP BY deleted.job_id) AS dependent;
          IF dependents IS NULL THEN
            RETURN 0;
          END IF;
          IF pairs = 500 THEN
            INSERT INTO wake_ups (input_id)
            SELECT id FROM unnest(ended) AS input (id)
             WHERE EXISTS (SELECT FROM job_inputs WHERE input_id = input.id)
            ON CONFLICT DO NOTHING;
            IF FOUND THEN
              PERFORM pg_notify('reducto_gateway', 'wake_ups');
            END IF;
          END IF;
          -- Of inputs that end at once, the later one must see that the earlier one has ended.
          PERFORM FROM jobs WHERE id = ANY (dependents) ORDER BY id FOR NO KEY UPDATE;
          -- They have waited: jobs that were accepted within the last second go after them.
          UPDATE jobs
             SET next_check_at = greatest(created_at, now() - interval '1 s'), deferral_reason = NULL, deferred_until = NULL
            FROM unnest(dependents, cannot_run) AS dependent (id, unusable)
           WHERE jobs.id = dependent.id AND jobs.status = 'queued' AND jobs.lease IS NULL
             AND (dependent.unusable
                  OR NOT EXISTS (SELECT FROM job_inputs WHERE job_inputs.job_id = dependent.id));
          GET DIAGNOSTICS woken = ROW_COUNT;
          RETURN woken;
        END $$`);
  }

  /** The dependents of the rows of `wake_ups` are in `job_inputs` still: the check of each minute wakes them. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION wake_dependents(ended uuid[]) RETURNS integer LANGUAGE plpgsql VOLATILE
          SET enable_seqscan = off AS $$
        DECLARE
          dependents uuid[];
          cannot_run boolean[];
          woken integer;
        BEGIN
          WITH deleted AS (
            DELETE FROM job_inputs WHERE input_id = ANY (ended) RETURNING input_id, job_id)
          SELECT array_agg(job_id), array_agg(unusable) INTO dependents, cannot_run
            FROM (SELECT deleted.job_id, bool_or(source.status IS DISTINCT FROM 'completed') AS unusable
                    FROM deleted LEFT JOIN jobs AS source ON source.id = deleted.input_id
                   GROUP BY deleted.job_id) AS dependent;
          IF dependents IS NULL THEN
            RETURN 0;
          END IF;
          -- Of inputs that end at once, the later one must see that the earlier one has ended.
          PERFORM FROM jobs WHERE id = ANY (dependents) ORDER BY id FOR NO KEY UPDATE;
          -- They have waited: jobs that were accepted within the last second go after them.
          UPDATE jobs
             SET next_check_at = greatest(created_at, now() - interval '1 s'), deferral_reason = NULL, deferred_until = NULL
            FROM unnest(dependents, cannot_run) AS dependent (id, unusable)
           WHERE jobs.id = dependent.id AND jobs.status = 'queued' AND jobs.lease IS NULL
             AND (dependent.unusable
                  OR NOT EXISTS (SELECT FROM job_inputs WHERE job_inputs.job_id = dependent.id));
          GET DIAGNOSTICS woken = ROW_COUNT;
          RETURN woken;
        END $$`);
    await runner.query(`DROP TABLE wake_ups`);
  }
}
