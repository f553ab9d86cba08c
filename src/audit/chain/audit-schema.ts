import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

/**
 * Finds a difference to the migrations: a replaced table, a missing or disabled trigger, a changed column, or an
 * additional constraint. `undefined`: no difference.
 */
export async function findSchemaChange(manager: EntityManager): Promise<string | undefined> {
  const [found] = await rows<{ parts: string[] }>(manager, SELECT_SCHEMA);
  const parts = new Set(found?.parts);
  const missing = EXPECTED.find((part) => !parts.has(part));
  if (missing !== undefined) return `${missing}: the database no longer has this`;
  const added = [...parts].find((part) => !EXPECTED.includes(part));
  return added === undefined ? undefined : `${added}: the gateway did not make this`;
}

const TABLES = ['audit_chain', 'audit_entries', 'audit_originals', 'installation'];

const EXPECTED: readonly string[] = [
  ...TABLES.map((name) => `table ${name}`),
  ...TABLES.map((name) => `primary key of ${name}`),
  'column audit_chain.single: boolean not null default true',
  'column audit_chain.first_id: bigint not null',
  'column audit_chain.first_hash: bytea not null',
  'column audit_chain.last_id: bigint not null',
  'column audit_chain.last_hash: bytea not null',
  'column audit_chain.key_id: text not null',
  'column audit_chain.mac: bytea not null',
  `column audit_chain.keys: jsonb not null default '{}'::jsonb`,
  'column audit_entries.id: bigint not null',
  'column audit_entries.at: timestamp(3) with time zone not null',
  'column audit_entries.kind: text not null',
  'column audit_entries.data: jsonb not null',
  'column audit_entries.key_id: text not null',
  'column audit_entries.hash: bytea not null',
  'column audit_entries.cause: text',
  'column audit_entries.guard: text',
  'column audit_entries.address: text',
  'column audit_entries.job_id: text',
  'column audit_entries.count: integer',
  'column audit_originals.entry_id: bigint not null',
  'column audit_originals.at: timestamp with time zone not null default now()',
  'column audit_originals.key_id: text not null',
  'column audit_originals.sealed: bytea not null',
  'column installation.single: boolean not null default true',
  'column installation.id: uuid not null',
  'column installation.created_at: timestamp with time zone not null default now()',
  'column installation.key_id: text not null',
  'column installation.mac: bytea not null',
  'constraint audit_chain_single of audit_chain: CHECK (single)',
  'constraint installation_single of installation: CHECK (single)',
  // BEFORE, ROW, UPDATE, DELETE; then BEFORE, TRUNCATE.
  'trigger audit_entries_no_change on audit_entries: 27 audit_entries_append_only',
  'trigger audit_entries_no_truncate on audit_entries: 34 audit_entries_append_only',
  'function audit_entries_append_only: 08d9931f139ac0e872fae398d81ba44a',
  `computed column cause: (data ->> 'cause'::text)`,
  `computed column guard: (data ->> 'guard'::text)`,
  `computed column address: (data ->> 'clientAddress'::text)`,
  `computed column job_id: COALESCE((data ->> 'jobId'::text), (data ->> 'assertedJobId'::text))`,
  `computed column count: COALESCE(((data ->> 'count'::text))::integer, 1)`,
];

/** Triggers of foreign keys are internal; a rule or a policy could change reads and writes. */
const SELECT_SCHEMA = `
  WITH audit AS (
    SELECT oid, relname, relkind, relrowsecurity FROM pg_class
     WHERE oid IN (to_regclass('audit_chain'), to_regclass('audit_entries'),
                   to_regclass('audit_originals'), to_regclass('installation')))
  SELECT array_agg(part) AS parts FROM (
    SELECT 'table ' || relname AS part FROM audit WHERE relkind = 'r'
    UNION ALL
    SELECT 'primary key of ' || relname FROM pg_constraint JOIN audit ON audit.oid = conrelid
     WHERE contype = 'p'
    UNION ALL
    SELECT concat('trigger ', tgname, ' on ', relname, ': ', tgtype, ' ', proname)
      FROM pg_trigger JOIN audit ON audit.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
     WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND tgqual IS NULL
    UNION ALL
    SELECT concat('trigger ', tgname, ' on ', relname, ', switched off or with a condition')
      FROM pg_trigger JOIN audit ON audit.oid = tgrelid
     WHERE NOT tgisinternal AND (tgenabled NOT IN ('O', 'A') OR tgqual IS NOT NULL)
    UNION ALL
    SELECT DISTINCT concat('function ', proname, ': ', md5(prosrc))
      FROM pg_trigger JOIN audit ON audit.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
      JOIN pg_language ON pg_language.oid = prolang
     WHERE NOT tgisinternal AND lanname = 'plpgsql' AND NOT prosecdef AND proconfig IS NULL
    UNION ALL
    SELECT concat('column ', relname, '.', attname, ': ', format_type(atttypid, atttypmod),
                  CASE WHEN attnotnull THEN ' not null' END,
                  CASE WHEN attgenerated = '' THEN ' default ' || pg_get_expr(adbin, adrelid) END)
      FROM pg_attribute JOIN audit ON audit.oid = attrelid
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
     WHERE attnum > 0 AND NOT attisdropped
    UNION ALL
    -- Newer servers list NOT NULL (n) here too.
    SELECT concat('constraint ', conname, ' of ', relname, ': ', pg_get_constraintdef(pg_constraint.oid))
      FROM pg_constraint JOIN audit ON audit.oid = conrelid WHERE contype NOT IN ('p', 'n')
    UNION ALL
    SELECT concat('computed column ', attname, ': ', pg_get_expr(adbin, adrelid))
      FROM pg_attrdef JOIN audit ON audit.oid = adrelid
      JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
     WHERE attgenerated = 's' AND NOT attisdropped
    UNION ALL
    SELECT 'rule ' || rulename || ' on ' || relname FROM pg_rewrite JOIN audit ON audit.oid = ev_class
    UNION ALL
    SELECT 'row security on ' || relname FROM audit WHERE relrowsecurity
    UNION ALL
    SELECT 'inheritance of ' || relname FROM pg_inherits JOIN audit ON audit.oid IN (inhrelid, inhparent)
  ) AS found`;
