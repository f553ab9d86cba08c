import { Module, type DynamicModule } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { AdminActions } from './admin/admin-actions.js';
import { AdminKeys } from './admin/admin-keys.js';
import { AuditChainModule } from './audit/audit-chain.module.js';
import { ConfigModule } from './platform/config/config.module.js';
import type { Settings } from './platform/config/settings.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { FiguresModule } from './platform/metrics/figures.module.js';

/** The little that the commands need. */
@Module({})
export class CliModule {
  static with(settings: Settings): DynamicModule {
    return {
      module: CliModule,
      imports: [
        ConfigModule.of(settings),
        DatabaseModule.connect(),
        FiguresModule,
        AccessModule,
        AuditChainModule,
      ],
      providers: [AdminActions, AdminKeys],
    };
  }
}
