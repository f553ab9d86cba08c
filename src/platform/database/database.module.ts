import { Global, Logger, Module, type DynamicModule } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Settings } from '../config/settings.js';
import { dataSourceOptions } from './data-source-options.js';
import { DroppedConnectionError } from './database-connections.js';
import { isDatabaseAway, isSessionRefused } from './database-errors.js';
import { DatabaseMonitor } from './database-monitor.js';
import { DatabaseShutdown } from './database-shutdown.js';
import { Transactions } from './transactions.js';

/** Attempts, two seconds apart, that a start waits for a database that is not there yet. */
const START_ATTEMPTS = 60;

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
            retryAttempts: START_ATTEMPTS,
            retryDelay: 2000,
            toRetry: (error) => isDatabaseAway(error) && !isSessionRefused(error),
          }),
        }),
      ],
      providers: [Transactions, DatabaseShutdown, DatabaseMonitor],
      exports: [Transactions, DatabaseMonitor],
    };
  }
}
