import { Module } from '@nestjs/common';
import { AuditChainModule } from './audit-chain.module.js';
import { AuditWatch } from './audit-watch.js';

@Module({ imports: [AuditChainModule], providers: [AuditWatch] })
export class AuditWatchModule {}
