import { Module } from '@nestjs/common';
import { AuditChainModule } from './audit-chain.module.js';
import { AuditFigures } from './audit-figures.js';
import { AuditWriter } from './audit-writer.js';
import { Refusals } from './refusals.js';

/** What was refused and what admins did, in a chain that shows when somebody has changed it. */
@Module({
  imports: [AuditChainModule],
  providers: [AuditFigures, AuditWriter, Refusals],
  exports: [AuditChainModule, AuditWriter, Refusals],
})
export class AuditModule {}
