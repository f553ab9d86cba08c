import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Jobs sleep until the jobs whose results they need have ended. */
export class JobInputs1790930000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE job_inputs (
        input_id uuid NOT NULL,
        job_id uuid NOT NULL,
        CONSTRAINT job_inputs_pk PRIMARY KEY (input_id, job_id))`);
    await runner.query(`CREATE INDEX job_inputs_by_job ON job_inputs (job_id)`);
    // The statement that ends a job has waited for those that put its dependents to sleep, and does not see what
    // they wrote. Statements within a volatile function do. The table is mostly empty, so a cached plan would be a
    // sequential scan.
    await runner.query(`
      CREATE FUNCTION wake_dependents(ended uuid[]) RETURNS integer LANGUAGE plpgsql VOLATILE
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
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      UPDATE jobs SET next_check_at = now()
       WHERE id IN (SELECT job_id FROM job_inputs) AND status = 'queued' AND lease IS NULL`);
    await runner.query(`DROP FUNCTION wake_dependents`);
    await runner.query(`DROP TABLE job_inputs`);
  }
}
