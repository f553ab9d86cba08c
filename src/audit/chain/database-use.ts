import type { EntityManager } from 'typeorm';
import { rows } from '../../platform/database/sql.js';

/**
 * Whether a gateway has ever used this database. Deleted rows leave a mark, because an identity column never reuses a
 * number.
 */
export async function isDatabaseUsed(manager: EntityManager): Promise<boolean> {
  const [found] = await rows<{ used: boolean }>(manager, SELECT_USE);
  return found?.used !== false;
}

const SELECT_USE = `
  SELECT EXISTS (SELECT 1 FROM api_keys) OR EXISTS (SELECT 1 FROM jobs)
      OR EXISTS (SELECT 1 FROM job_events) OR EXISTS (SELECT 1 FROM callbacks)
      OR EXISTS (SELECT 1 FROM callback_inbox) OR EXISTS (SELECT 1 FROM uploads)
      OR EXISTS (SELECT 1 FROM admin_sessions) OR EXISTS (SELECT 1 FROM alerts)
      OR EXISTS (SELECT 1 FROM audit_entries) OR EXISTS (SELECT 1 FROM audit_chain)
      OR EXISTS (SELECT 1 FROM audit_originals)
      OR EXISTS (SELECT 1 FROM pg_sequences
                  WHERE schemaname = current_schema() AND last_value IS NOT NULL
                    AND sequencename <> 'schema_migrations_id_seq') AS used`;
