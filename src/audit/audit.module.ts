import { Module } from '@nestjs/common';
import { AuditChainModule } from './audit-chain.module.js';
import { AuditMetrics } from './audit.metrics.js';
import { AuditWriter } from './audit-writer.js';
import { RefusalRecorder } from './refusal-recorder.js';

/** Records refusals and admin actions in a tamper-evident chain. */
@Module({
  imports: [AuditChainModule],
  providers: [AuditMetrics, AuditWriter, RefusalRecorder],
  exports: [AuditChainModule, AuditWriter, RefusalRecorder],
})
export class AuditModule {}
