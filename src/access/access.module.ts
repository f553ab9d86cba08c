import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ActiveKeys } from './active-keys.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeyGuard } from './api-key.guard.js';
import { ApiKeyStore } from './api-key.store.js';
import { ApiKeysService } from './api-keys.service.js';
import { Authentication } from './authentication.js';
import { FailedAttempts } from './failed-attempts.js';

@Module({
  imports: [TypeOrmModule.forFeature([ApiKey])],
  providers: [ApiKeyStore, ActiveKeys, FailedAttempts, ApiKeysService, ApiKeyGuard, Authentication],
  exports: [ApiKeyStore, ApiKeysService, ApiKeyGuard, FailedAttempts],
})
export class AccessModule {}
