import type { Pool, PoolClient } from 'pg';
import type { EntityManager } from 'typeorm';

/**
 * Runs one raw statement and returns its rows, also for `INSERT`, `UPDATE`, and `DELETE` with `RETURNING`, for which
 * TypeORM's `query` returns a pair. `Row` must match the selected columns.
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

/**
 * SQL of a CTE named `short`, for the first statement of a transaction that locks rows which others wait for: if this process
 * hangs or is cut off, PostgreSQL ends the transaction within seconds. The statement must read it.
 */
export const SHORT_TRANSACTION = `short AS MATERIALIZED (
    SELECT set_config('idle_in_transaction_session_timeout', '5000', true))`;

/** A statement that each connection plans once; `name` belongs to this `text` alone. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Like `rows`, for the statements of every request: prepared once, without the overhead of TypeORM. */
export async function preparedRows<Row extends object>(
  manager: EntityManager,
  { name, text }: Statement,
  parameters: readonly unknown[],
): Promise<Row[]> {
  const { master } = manager.connection.driver as unknown as { master: Pool };
  const client =
    manager.queryRunner === undefined
      ? master
      : ((await manager.queryRunner.connect()) as PoolClient);
  const result = await client.query<Row>({ name, text, values: [...parameters] });
  return result.rows;
}
