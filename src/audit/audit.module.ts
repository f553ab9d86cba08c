import { Module } from '@nestjs/common';
import { AuditChainModule } from './audit-chain.module.js';
import { AuditMetrics } from './audit.metrics.js';
import { AuditWriter } from './audit-writer.js';
import { RefusalRecorder } from './refusal-recorder.js';

/** What was refused and what admins did, in a chain that shows when somebody has changed it. */
@Module({
  imports: [AuditChainModule],
  providers: [AuditMetrics, AuditWriter, RefusalRecorder],
  exports: [AuditChainModule, AuditWriter, RefusalRecorder],
})
export class AuditModule {}
