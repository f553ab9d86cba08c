import { Module } from '@nestjs/common';
import { AuditChainModule } from './audit-chain.module.js';
import { AuditRetention } from './audit-retention.js';

@Module({ imports: [AuditChainModule], providers: [AuditRetention] })
export class AuditRetentionModule {}
