import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { DataSource } from 'typeorm';
import { AuditQueries } from '../../src/audit/audit-queries.js';
import { eventually, startGateway, type TestGateway } from '../support/gateway.js';

/* Searches of refusals in an audit that is large enough to need its indexes. */

const ENTRIES = 20_000;
const UPSTREAM = 'rare-upstream-id';

let gateway: TestGateway;

beforeAll(async () => {
  gateway = await startGateway({ RECONCILE_INTERVAL_SECONDS: '3600' });
  await gateway.pool.query(
    `INSERT INTO audit_entries (id, at, kind, data, key_id, hash)
     SELECT 1000 + n, now() - ($1 - n) * interval '1 s', CASE WHEN n % 500 = 0 THEN 'counted' ELSE 'refused' END,
            jsonb_build_object(
              'cause', CASE WHEN n % 2 = 0 THEN 'token_invalid' ELSE 'not_json' END,
              'assertedUpstreamId', CASE WHEN n = 7 THEN $2 ELSE 'upstream-' || n % 1000 END,
              'clientAddress', '10.0.0.' || n % 100, 'outcome', CASE WHEN n % 500 = 0 THEN 'refused' END,
              'count', CASE WHEN n % 500 = 0 THEN 5 END, 'bodySample', repeat('x', 500)),
            '1', '\\x00'
       FROM generate_series(1, $1::int) AS n`,
    [ENTRIES, UPSTREAM],
  );
  // Another transaction can keep pages from being marked as visible to all, which the plans depend on.
  await eventually('a vacuumed table', async () => {
    await gateway.pool.query('VACUUM ANALYZE audit_entries');
    const { rows } = await gateway.pool.query(
      `SELECT FROM pg_class WHERE relname = 'audit_entries' AND relallvisible >= relpages`,
    );
    return rows[0];
  });
});
afterAll(() => gateway.close());

it('finds the refusals of a job without reading the others', async () => {
  const { result, plans } = await explained((queries) =>
    queries.listEntries({ job: UPSTREAM }, undefined, 10),
  );
  expect(result.map(({ id }) => id)).toEqual(['1007']);
  expect(removed(plans)).toBe(0);
});

it('finds no refusal of a job without reading those of others', async () => {
  const { result, plans } = await explained((queries) =>
    queries.listEntries({ job: 'no-such-job' }, undefined, 10),
  );
  expect(result).toEqual([]);
  expect(removed(plans)).toBe(0);
});

it('counts refusals by an index alone, and adds those that were only counted', async () => {
  const { result, plans } = await explained((queries) =>
    queries.summarizeRefusals({ outcome: 'refused' }),
  );
  const counts = ENTRIES / 500;
  expect(result).toEqual({
    stored: ENTRIES - counts,
    counted: counts * 5,
    observed: 0,
    byCause: { token_invalid: ENTRIES / 2 - counts + counts * 5, not_json: ENTRIES / 2 },
  });
  expect(JSON.stringify(plans)).toContain('"Node Type":"Index Only Scan"');
  expect(JSON.stringify(plans)).not.toContain('Seq Scan');
});

interface Plan {
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

/** Runs a query of the audit, and then explains its statements. */
async function explained<T>(
  ask: (queries: AuditQueries) => Promise<T>,
): Promise<{ result: T; plans: Plan[] }> {
  const source = gateway.app.get(DataSource);
  const create = source.createQueryRunner.bind(source);
  const queries: { mock: { calls: unknown[][] } }[] = [];
  const runners = vi.spyOn(source, 'createQueryRunner').mockImplementation((mode) => {
    const runner = create(mode);
    const query = vi.spyOn(runner, 'query');
    queries.push(query);
    return runner;
  });
  try {
    const result = await ask(gateway.app.get(AuditQueries, { strict: false }));
    const plans: Plan[] = [];
    for (const [text, values] of queries.flatMap(({ mock }) => mock.calls)) {
      // The process may have queried something else meanwhile.
      if (!/^\s*(?:SELECT|WITH)\b[^]*audit_entries/.test(String(text))) continue;
      const { rows } = await gateway.pool.query(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${String(text)}`,
        Array.isArray(values) ? values : [],
      );
      plans.push(rows[0]['QUERY PLAN'][0].Plan);
    }
    return { result, plans };
  } finally {
    runners.mockRestore();
  }
}

function removed(plans: readonly Plan[]): number {
  return plans.reduce(
    (sum, plan) => sum + (plan['Rows Removed by Filter'] ?? 0) + removed(plan.Plans ?? []),
    0,
  );
}
