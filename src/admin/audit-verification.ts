import { Injectable } from '@nestjs/common';
import { AuditAlarm } from '../audit/audit-alarm.js';
import { AuditVerifier, type Verification } from '../audit/audit-verifier.js';
import type { Actor } from '../audit/audit-entry.js';
import { AdminActions } from './admin-actions.js';

/** Verifies the audit for an admin, and records the action. */
@Injectable()
export class AuditVerification {
  constructor(
    private readonly verifier: AuditVerifier,
    private readonly alarm: AuditAlarm,
    private readonly actions: AdminActions,
  ) {}

  verify(actor: Actor, since?: string): Promise<Verification> {
    const intent = since === undefined ? {} : { since };
    return this.actions.run(actor, 'audit.verify', intent, async () => {
      const result = await this.verifier.verify(since);
      const { state, rows, firstBroken, reason } = result;
      if (state === 'changed') this.alarm.raise(reason ?? '', { entry: firstBroken });
      return { result, detail: { result: state, rows, firstBroken, reason } };
    });
  }
}
