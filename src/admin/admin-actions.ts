import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { NewEntry } from '../audit/audit-entry.js';
import { AuditLog } from '../audit/audit-log.js';
import { printable } from '../audit/redacted-request.js';

/** Everything that admins do, as it is called in the audit. */
export const ADMIN_ACTIONS = [
  'key.create',
  'key.revoke',
  'refusals.recheck',
  'refusals.accept',
  'refusals.export',
  'audit.verify',
  'job.settle',
  'job.cancel',
  'session.begin',
  'session.end',
] as const;

export type AdminAction = (typeof ADMIN_ACTIONS)[number];

/** Who acts: the owner of an API key, by the API or in the console, or whoever can run commands. */
export interface Actor {
  readonly keyId: string;
  readonly service: string;
  readonly via: 'api' | 'console' | 'command';
}

/**
 * Enters what admins do into the audit, before it is done: nothing can be done without being recorded,
 * and what then fails is on record as an attempt.
 */
@Injectable()
export class AdminActions {
  constructor(private readonly audit: AuditLog) {}

  async record(
    actor: Actor,
    action: AdminAction,
    detail: Readonly<Record<string, unknown>> = {},
  ): Promise<void> {
    await this.audit.append([{ entry: entryOf(actor, action, detail) }]);
  }

  /** As part of the transaction that does it. */
  async recordWithin(
    manager: EntityManager,
    actor: Actor,
    action: AdminAction,
    detail: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    await this.audit.appendWithin(manager, [{ entry: entryOf(actor, action, detail) }]);
  }
}

function entryOf(
  actor: Actor,
  action: AdminAction,
  detail: Readonly<Record<string, unknown>>,
): NewEntry {
  return {
    at: new Date(),
    kind: 'action',
    data: { action, actor: { ...actor }, detail: JSON.parse(JSON.stringify(detail, asPrintable)) },
  };
}

/** What admins type is foreign text too. */
function asPrintable(_name: string, value: unknown): unknown {
  return typeof value === 'string' ? printable(value, 300) : value;
}
