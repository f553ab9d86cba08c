import type { Caller } from '../access/caller.js';
import { Injectable, Logger } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { actionEntry, type ActionRecord, type Actor } from '../audit/audit-entry.js';
import { AuditLog } from '../audit/audit-log.js';
import { GatewayError } from '../platform/errors/error-codes.js';

/** The names of actions in the audit: those of admins, and `job.delete` of services. */
export const ADMIN_ACTIONS = [
  'key.create',
  'key.revoke',
  'service.limits',
  'refusals.recheck',
  'refusals.accept',
  'refusals.export',
  'alert.acknowledge',
  'audit.verify',
  'data_keys.rekey',
  'job.poll',
  'job.cancel',
  'job.result',
  'job.delete',
  'endpoint.enable',
  'endpoint.disable',
  'endpoint.recover',
  'endpoint.test',
  'event.resend',
  'job.file',
  'session.begin',
  'session.end',
  'admin.access',
] as const;

export type AdminAction = (typeof ADMIN_ACTIONS)[number];

/** The owner of the API key that made a request. */
export function byApi({ keyId, service }: Caller): Actor {
  return { keyId, service, via: 'api' };
}

type Detail = ActionRecord['detail'];

/** The result of an action, and details for the audit. */
interface Outcome<T> {
  readonly result: T;
  readonly detail?: Detail;
}

/** Runs admin actions and records their outcome. No action runs unrecorded. */
@Injectable()
export class AdminActions {
  private readonly logger = new Logger(AdminActions.name);

  constructor(private readonly audit: AuditLog) {}

  /** Runs a change of the database in one transaction with its audit entry. */
  async transact<T>(
    actor: Actor,
    action: AdminAction,
    intent: Detail,
    work: (manager: EntityManager) => Promise<Outcome<T>>,
  ): Promise<T> {
    try {
      return await this.audit.transact(async (manager, append) => {
        const { result, detail } = await work(manager);
        const entry = actionEntry({
          actor,
          action,
          state: 'done',
          detail: { ...intent, ...detail },
        });
        await append([{ entry }]);
        return result;
      });
    } catch (error) {
      await this.recordOutcome({ actor, action, ...failure(error), detail: intent });
      throw error;
    }
  }

  /** Records the start of `work`, and its outcome afterwards. */
  async run<T>(
    actor: Actor,
    action: AdminAction,
    intent: Detail,
    work: () => Promise<Outcome<T>>,
  ): Promise<T> {
    const [started] = await this.audit.appendEntries([
      { entry: actionEntry({ actor, action, state: 'started', detail: intent }) },
    ]);
    const about = { actor, action, intent: started?.id ?? '' };
    try {
      const { result, detail = {} } = await work();
      await this.recordOutcome({ ...about, state: 'done', detail: { ...intent, ...detail } });
      return result;
    } catch (error) {
      await this.recordOutcome({ ...about, ...failure(error), detail: intent });
      throw error;
    }
  }

  /** Never throws, because the action itself is done. */
  private async recordOutcome(action: ActionRecord): Promise<void> {
    try {
      await this.audit.appendEntries([{ entry: actionEntry(action) }]);
    } catch (error) {
      this.logger.error({
        msg: 'the outcome of an admin action could not be recorded',
        action: action.action,
        state: action.state,
        err: error,
      });
    }
  }
}

function failure(error: unknown): { state: 'failed'; reason: string } {
  const reason = error instanceof GatewayError ? error.code : 'internal_error';
  return { state: 'failed', reason };
}
