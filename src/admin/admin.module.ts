import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { ApiKeysController } from './api-keys.controller.js';

@Module({ imports: [AccessModule], controllers: [ApiKeysController] })
export class AdminModule {}
