import { Global, Module, type DynamicModule } from '@nestjs/common';
import { Settings } from './settings.js';
import { StopTime } from './stop-time.js';

/** Global because every layer reads settings, and the process has exactly one set of them. */
@Global()
@Module({})
export class ConfigModule {
  static of(settings: Settings): DynamicModule {
    return {
      module: ConfigModule,
      providers: [{ provide: Settings, useValue: settings }, StopTime],
      exports: [Settings, StopTime],
    };
  }
}
