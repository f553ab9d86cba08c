import type { Pool } from 'pg';

/** Makes PostgreSQL refuse rows of `table` for which `condition` (over NEW) holds, with `sqlState`. */
export async function refuseRows(
  pool: Pool,
  table: string,
  condition: string,
  sqlState = '22021',
): Promise<void> {
  await pool.query(`
    CREATE OR REPLACE FUNCTION refuse_row() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'refused: %', NEW USING ERRCODE = '${sqlState}'; END $$;
    CREATE TRIGGER refuse_row BEFORE INSERT OR UPDATE ON ${table}
      FOR EACH ROW WHEN (${condition}) EXECUTE FUNCTION refuse_row()`);
}

export async function acceptRows(pool: Pool, table: string): Promise<void> {
  await pool.query(`DROP TRIGGER refuse_row ON ${table}`);
}
