import { Module } from '@nestjs/common';
import { AuditAlarm } from './audit-alarm.js';
import { AuditKeys } from './audit-keys.js';
import { AuditLog } from './audit-log.js';
import { AuditQueries } from './audit-queries.js';
import { AuditVerifier } from './audit-verifier.js';
import { ChainStore } from './chain/chain.store.js';
import { KnownHead } from './chain/known-head.js';
import { RecentRefusals } from './recent-refusals.js';

/** The audit chain, without the recording of refusals. */
@Module({
  providers: [
    AuditAlarm,
    AuditKeys,
    AuditLog,
    AuditQueries,
    AuditVerifier,
    ChainStore,
    KnownHead,
    RecentRefusals,
  ],
  exports: [AuditAlarm, AuditKeys, AuditLog, AuditQueries, AuditVerifier, RecentRefusals],
})
export class AuditChainModule {}
