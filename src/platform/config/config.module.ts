import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Settings } from './settings.js';
import { ShutdownDeadline } from './shutdown-deadline.js';

/** Global because every layer reads settings, and the process has exactly one set of them. */
@Global()
@Module({})
export class ConfigModule {
  static register(settings: Settings): DynamicModule {
    return {
      module: ConfigModule,
      providers: [{ provide: Settings, useValue: settings }, ShutdownDeadline],
      exports: [Settings, ShutdownDeadline],
    };
  }
}
