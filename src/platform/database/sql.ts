import type { EntityManager } from 'typeorm';

/**
 * Runs one raw statement and returns its rows, also for `INSERT`, `UPDATE` and `DELETE` with
 * `RETURNING` (TypeORM's own `query` gives a pair for those). `Row` states what the statement
 * selects; keep the two side by side.
 */
export async function rows<Row extends object>(
  manager: EntityManager,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<Row[]> {
  const runner = manager.queryRunner ?? manager.connection.createQueryRunner();
  try {
    const result = await runner.query(statement, [...parameters], true);
    return (result.records ?? []) as Row[];
  } finally {
    if (runner !== manager.queryRunner) await runner.release();
  }
}
