import { Global, Logger, Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Settings } from '../config/settings.js';
import { dataSourceOptions } from './data-source-options.js';
import { DroppedConnectionError } from './database-connections.js';
import { DatabaseMonitor } from './database-monitor.js';
import { DatabaseShutdown } from './database-shutdown.js';
import { Transactions } from './transactions.js';

@Global()
@Module({})
export class DatabaseModule {
  static forRoot(): DynamicModule {
    const logger = new Logger('Database');
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [Settings],
          useFactory: (settings: Settings) => ({
            ...dataSourceOptions(settings, (error) => {
              if (error instanceof DroppedConnectionError) return;
              logger.warn({ msg: 'a database connection was lost', err: error });
            }),
            autoLoadEntities: true,
            // `prepareDatabase` has already waited for the database.
            toRetry: () => false,
          }),
        }),
      ],
      providers: [Transactions, DatabaseShutdown, DatabaseMonitor],
      exports: [Transactions, DatabaseMonitor],
    };
  }
}
