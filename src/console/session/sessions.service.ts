import { Injectable } from '@nestjs/common';
import type { Caller } from '../../access/caller.js';
import { ApiKeysService } from '../../access/api-keys.service.js';
import { FailedAttempts } from '../../access/failed-attempts.js';
import { AccessFailures } from '../../admin/access-failures.js';
import type { Actor } from '../../audit/audit-entry.js';
import { AdminActions } from '../../admin/admin-actions.js';
import { Settings } from '../../platform/config/settings.js';
import { GatewayError } from '../../platform/errors/error-codes.js';
import { csrfTokenOf, hashOfToken, isSessionToken, newSessionToken } from './session-token.js';
import { SessionLookups } from './session-lookups.js';
import { SessionStore, type StoredSession } from './session.store.js';

/** Who is signed in. */
export interface Session {
  readonly token: string;
  readonly actor: Actor;
  /** What the forms of this session carry. */
  readonly csrf: string;
}

/** Sign-ins to the console: begun with an admin's API key, and over at the latest when that is revoked. */
@Injectable()
export class SessionsService {
  constructor(
    private readonly settings: Settings,
    private readonly keys: ApiKeysService,
    private readonly store: SessionStore,
    private readonly lookups: SessionLookups,
    private readonly attempts: FailedAttempts,
    private readonly actions: AdminActions,
    private readonly failures: AccessFailures,
  ) {}

  /** Throws as `ApiKeysService.authenticate` does, and `forbidden` for a key without the scope. */
  async beginSession(key: string, address: string): Promise<Session> {
    const caller = await this.authenticate(key, address);
    const session = sessionOf(newSessionToken(), caller.keyId, caller.service);
    await this.store.removeEnded(this.settings.CONSOLE_IDLE_MINUTES);
    const hours = this.settings.CONSOLE_SESSION_HOURS;
    const stored = { tokenHash: hashOfToken(session.token), keyId: caller.keyId };
    await this.actions.transact(session.actor, 'session.begin', { address }, async (manager) => ({
      result: await this.store.insert(manager, stored, hours),
    }));
    return session;
  }

  private async authenticate(key: string, address: string): Promise<Caller> {
    let caller: Caller | undefined;
    try {
      caller = await this.keys.authenticate(key, address, 'console');
      if (!caller.scopes.includes('admin')) throw new GatewayError('forbidden');
      return caller;
    } catch (error) {
      if (error instanceof GatewayError && error.status < 500) {
        const { keyId = '', service = '' } = caller ?? {};
        const actor = { keyId, service, via: 'console' } as const;
        this.failures.record({ action: 'session.begin', actor, address, reason: error.code });
      }
      throw error;
    }
  }

  /**
   * The session of a cookie from the client `address`; `undefined` if it has ended or its key is revoked. `waitSeconds`: too
   * many unknown tokens failed. A valid session is always found.
   */
  async findSession(
    token: string | undefined,
    address: string,
  ): Promise<{ session?: Session; waitSeconds?: number }> {
    if (!isSessionToken(token)) return {};
    const { session: stored, first } = await this.lookups.find(hashOfToken(token));
    if (stored === undefined) {
      // A browser sends the cookie of an ended session with each request: it counts once.
      const waitSeconds = first ? this.attempts.count(address, 'session') : undefined;
      return waitSeconds === undefined ? {} : { waitSeconds };
    }
    const session = await this.sessionOf(token, stored);
    return session === undefined ? {} : { session };
  }

  private async sessionOf(token: string, stored: StoredSession): Promise<Session | undefined> {
    const caller = await this.keys.stillActive(stored.keyId);
    if (caller === undefined || !caller.scopes.includes('admin')) return undefined;
    return sessionOf(token, caller.keyId, caller.service);
  }

  /** Only requests of a person count as use; the polls of a page do not. */
  async noteUse({ token }: Session): Promise<void> {
    await this.store.noteUse(hashOfToken(token));
  }

  async endSession({ token, actor }: Session): Promise<void> {
    await this.actions.transact(actor, 'session.end', {}, async (manager) => ({
      result: await this.store.remove(manager, hashOfToken(token)),
    }));
  }
}

function sessionOf(token: string, keyId: string, service: string): Session {
  return { token, actor: { keyId, service, via: 'console' }, csrf: csrfTokenOf(token) };
}
