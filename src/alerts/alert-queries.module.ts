import { Module } from '@nestjs/common';
import { AlertQueries } from './alert-queries.js';
import { AlertsStore } from './alerts.store.js';

/** The alerts to read, without what raises them. */
@Module({ providers: [AlertsStore, AlertQueries], exports: [AlertQueries] })
export class AlertQueriesModule {}
