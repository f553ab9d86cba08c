import type { Pool } from 'pg';

/** Records the setting `name` of PostgreSQL whenever a row of `table` is written. Returns a function that reads the values. */
export async function observeSetting(
  pool: Pool,
  table: string,
  name: string,
): Promise<() => Promise<string[]>> {
  await pool.query(`
    CREATE TABLE observed_setting (value text);
    CREATE FUNCTION observe_setting() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN INSERT INTO observed_setting VALUES (current_setting('${name}')); RETURN NEW; END $$;
    CREATE TRIGGER observe_setting BEFORE INSERT OR UPDATE ON ${table}
      FOR EACH ROW EXECUTE FUNCTION observe_setting()`);
  return async () => {
    const { rows } = await pool.query<{ value: string }>(
      'SELECT DISTINCT value FROM observed_setting ORDER BY value',
    );
    return rows.map(({ value }) => value);
  };
}
