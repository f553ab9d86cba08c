import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LEASE, RELEASE } from '../../src/deliveries/delivering/lease-statements.js';
import { RECORD } from '../../src/deliveries/delivering/delivery-results.store.js';
import { newDatabase } from '../support/gateway.js';

/* A session plans a statement once, and in a new database while the tables are empty. */

let database: Awaited<ReturnType<typeof newDatabase>>;
let pool: Pool;

beforeAll(async () => {
  database = await newDatabase();
  pool = new Pool({
    connectionString: database.url,
    max: 1,
    options: '-c enable_seqscan=off -c jit=off',
  });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Index Cond'?: string;
  Plans?: PlanNode[];
}

/** Scans that read an index of deliveries whole: neither a condition nor a limit bounds them. */
function wholeScans(node: PlanNode, isLimited = false): string[] {
  const { 'Node Type': type, 'Index Cond': condition, Plans: inner = [] } = node;
  const reads = /^(Seq|Index|Index Only|Bitmap Index) Scan$/.test(type);
  const ofDeliveries =
    node['Relation Name'] === 'deliveries' || node['Index Name']?.startsWith('deliveries_');
  const whole = reads && ofDeliveries === true && condition === undefined && !isLimited;
  return [
    ...(whole ? [`${type} ${node['Index Name'] ?? ''}`] : []),
    ...inner.flatMap((one) => wholeScans(one, type === 'Limit')),
  ];
}

it.each([
  ['lease', LEASE],
  ['record', RECORD],
  ['release', RELEASE],
])('the %s of deliveries, planned for empty tables, reads no index whole', async (_, { text }) => {
  const { rows } = await pool.query(`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`);
  expect(wholeScans(rows[0]['QUERY PLAN'][0].Plan)).toEqual([]);
});
