import { Module } from '@nestjs/common';
import { AlertReads } from './alert-reads.js';
import { AlertsStore } from './alerts.store.js';

/** The alerts to read, without what raises them. */
@Module({ providers: [AlertsStore, AlertReads], exports: [AlertReads] })
export class AlertReadsModule {}
