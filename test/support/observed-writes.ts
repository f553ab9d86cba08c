import type { Pool } from 'pg';

/** Records the SQL expression whenever a row of `table` is written. Returns a function that reads the different values. */
export async function observeOnWrite(
  pool: Pool,
  table: string,
  expression: string,
): Promise<() => Promise<string[]>> {
  await pool.query(`
    CREATE TABLE observed_value (value text);
    CREATE FUNCTION observe_value() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO observed_value VALUES (${expression}); RETURN NEW; END $$;
    CREATE TRIGGER observe_value BEFORE INSERT OR UPDATE ON ${table}
      FOR EACH ROW EXECUTE FUNCTION observe_value()`);
  return async () => {
    const { rows } = await pool.query<{ value: string }>(
      'SELECT DISTINCT value FROM observed_value ORDER BY value',
    );
    return rows.map(({ value }) => value);
  };
}
