import { Module } from '@nestjs/common';
import { AccessModule } from './access.module.js';
import { BootstrapKey } from './bootstrap-key.js';

/** Access with what only processes with the role `api` do. */
@Module({ imports: [AccessModule], providers: [BootstrapKey] })
export class AccessApiModule {}
