import { Module } from '@nestjs/common';
import { AuditKeys } from './audit-keys.js';
import { AuditReads } from './audit-reads.js';
import { AuditVerifier } from './audit-verifier.js';
import { AuditLog } from './audit-log.js';
import { RecentRefusals } from './recent-refusals.js';

/** The chain of the audit, without what records refusals. */
@Module({
  providers: [AuditKeys, AuditLog, AuditReads, AuditVerifier, RecentRefusals],
  exports: [AuditKeys, AuditLog, AuditReads, AuditVerifier, RecentRefusals],
})
export class AuditChainModule {}
