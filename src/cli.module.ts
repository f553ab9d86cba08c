import { Module, type DynamicModule } from '@nestjs/common';
import { AccessModule } from './access/access.module.js';
import { AdminActions } from './admin/admin-actions.js';
import { AdminKeys } from './admin/admin-keys.js';
import { AuditChainModule } from './audit/audit-chain.module.js';
import { DataKeysService } from './deliveries/data-keys.service.js';
import { ConfigModule } from './platform/config/config.module.js';
import type { Settings } from './platform/config/settings.js';
import { DataCipher } from './platform/crypto/data-cipher.js';
import { DatabaseModule } from './platform/database/database.module.js';
import { MetricsModule } from './platform/metrics/metrics.module.js';

/** The modules that the commands need. */
@Module({})
export class CliModule {
  static forRoot(settings: Settings): DynamicModule {
    return {
      module: CliModule,
      imports: [
        ConfigModule.register(settings),
        DatabaseModule.forRoot(),
        MetricsModule,
        AccessModule,
        AuditChainModule,
      ],
      providers: [AdminActions, AdminKeys, DataKeysService, DataCipher],
    };
  }
}
