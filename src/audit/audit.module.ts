import { Module } from '@nestjs/common';
import { AuditKeys } from './audit-keys.js';
import { AuditReads } from './audit-reads.store.js';
import { AuditVerifier } from './audit-verifier.js';
import { AuditWriter } from './audit-writer.js';
import { AuditStore } from './audit.store.js';
import { Refusals } from './refusals.js';

/** What was refused and what admins did, in a chain that shows when somebody has changed it. */
@Module({
  providers: [AuditKeys, AuditStore, AuditWriter, AuditReads, AuditVerifier, Refusals],
  exports: [AuditKeys, AuditStore, AuditWriter, AuditReads, AuditVerifier, Refusals],
})
export class AuditModule {}
